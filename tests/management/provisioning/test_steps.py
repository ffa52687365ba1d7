"""The next act for an order, from any state."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from management.provisioning.engine import REVISION
from management.provisioning.observed import ObservedCluster, observed_cluster
from management.provisioning.steps import Step, next_step, owns, why_foreign
from tests.management.provisioning.things import NOW, UID, a_cluster, an_order

WRITTEN = {"annotations": {REVISION: "1"}}
INITIALIZED = {"initialization": {"controlPlaneInitialized": True}}
OTHER: dict[str, Any] = {"labels": {}}
MADE: dict[str, Any] = {"engine_uid": UID}
GOING = {"deletionTimestamp": "2026-05-04T11:00:00Z"}


def seen(*, metadata: dict[str, Any] | None = None, **fields: Any) -> ObservedCluster:
    return observed_cluster(a_cluster(metadata={**WRITTEN, **(metadata or {})}, **fields))


CASES: list[tuple[dict[str, Any], ObservedCluster | None, Step | None]] = [
    ({}, None, "apply"),
    ({"adopted": True}, None, None),
    ({"unreadable": "key"}, None, None),
    ({}, seen(), None),
    ({}, seen(metadata=OTHER), None),
    ({"adopted": True}, seen(metadata=OTHER), None),
    ({**MADE, "revision": 2}, seen(), "apply"),
    (MADE, seen(metadata={"annotations": {REVISION: "2"}}), None),  # The database was restored.
    (MADE, seen(metadata={"annotations": {REVISION: "9" * 10}}), "apply"),
    (MADE, seen(metadata={"annotations": {}}), "apply"),
    ({**MADE, "revision": 2, "unreadable": "key"}, seen(), None),
    ({**MADE, "revision": 2, "adopted": True}, seen(), None),
    (MADE, seen(status=INITIALIZED), "import"),
    ({"adopted": True}, seen(metadata=OTHER, status=INITIALIZED), "import"),
    ({**MADE, "imported_at": NOW}, seen(status=INITIALIZED), None),
    (MADE, seen(status=INITIALIZED, metadata=GOING), None),
    (MADE, None, "vanished"),
    ({"engine_uid": "another"}, seen(), None),
    ({**MADE, "deleting_since": NOW}, seen(), "delete"),
    ({**MADE, "deleting_since": NOW}, seen(metadata=GOING), None),
    ({**MADE, "deleting_since": NOW}, None, "forget"),
    ({"deleting_since": NOW}, None, "forget"),
    ({"deleting_since": NOW}, seen(metadata=OTHER), "forget"),
    ({**MADE, "deleting_since": NOW, "adopted": True}, seen(metadata=OTHER), "forget"),
    ({**MADE, "release": True}, seen(), "release"),
]


@pytest.mark.parametrize(("fields", "cluster", "step"), CASES)
def test_next_step_follows_from_order_and_cluster(
    fields: dict[str, Any], cluster: ObservedCluster | None, step: Step | None
) -> None:
    assert next_step(an_order(**fields), cluster) == step


def test_refused_revision_is_not_sent_again_but_the_next_one_is() -> None:
    assert next_step(an_order(revision=2), None, refused_revision=2) is None
    assert next_step(an_order(revision=3), None, refused_revision=2) == "apply"


def test_released_cluster_is_left_once_and_forgotten_when_it_is_gone() -> None:
    order = an_order(**MADE, release=True)
    assert next_step(order, seen(), left=True) is None
    assert next_step(order, None, left=True) == "forget"


def test_imported_cluster_is_imported_again_on_request() -> None:
    order = an_order(**MADE, imported_at=NOW)
    assert next_step(order, seen(status=INITIALIZED), import_again=True) == "import"


def test_why_foreign_names_uid_or_label() -> None:
    assert why_foreign(an_order(**MADE), seen()) == ""
    assert "uid" in why_foreign(an_order(engine_uid="another"), seen())
    assert "label" in why_foreign(an_order(), seen(metadata=OTHER))


CLUSTERS = st.builds(
    lambda label, uid, going, revision, initialized: seen(
        metadata={
            "uid": uid,
            "labels": {"sekisho.io/cluster": label} if label else {},
            "annotations": {REVISION: revision},
            **(GOING if going else {}),
        },
        status={"initialization": {"controlPlaneInitialized": initialized}},
    ),
    st.sampled_from(["", "c-abcdefghij", "c-other"]),
    st.sampled_from([UID, "another"]),
    st.booleans(),
    st.sampled_from(["1", "2", "x", "", "99999999999999"]),
    st.booleans(),
)


@given(
    cluster=st.none() | CLUSTERS,
    uid=st.none() | st.just(UID),
    adopted=st.booleans(),
    deleting=st.none() | st.just(NOW),
    release=st.booleans(),
    imported=st.none() | st.just(NOW),
)
def test_no_step_touches_a_cluster_that_is_not_the_orders(
    cluster: ObservedCluster | None,
    uid: Any,
    adopted: bool,
    deleting: Any,
    release: bool,
    imported: Any,
) -> None:
    order = an_order(
        engine_uid=uid,
        adopted=adopted,
        deleting_since=deleting,
        release=release,
        imported_at=imported,
    )
    step = next_step(order, cluster)
    if step == "delete":
        assert cluster is not None
        assert owns(order, cluster)
        assert not adopted
        assert not release
    if step == "apply":
        assert cluster is None or owns(order, cluster)
        assert not adopted
        assert not order.is_ending
    if step == "import":
        assert not order.is_ending
