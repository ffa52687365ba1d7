"""The state of an order, from what the engine reports."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from management.provisioning.observed import observed_cluster, observed_machine, observed_pool
from management.provisioning.states import KUBELET_VERSIONS, SLOW_AFTER, Facts, announced, judge
from store.order_records import OrderState
from tests.management.provisioning.things import NOW, UID, a_cluster, a_machine, a_pool, an_order

INITIALIZED = {"initialization": {"controlPlaneInitialized": True}}
LONG_AGO = NOW - timedelta(hours=5)
IMPORTED: dict[str, Any] = {"engine_uid": UID, "imported_at": LONG_AGO}
QUOTA = "quota of 8 CPUs exceeded"


def facts(cluster: dict[str, Any] | None = None, **others: Any) -> Facts:
    """Return facts about an order whose Cluster, pools and Machines are those objects."""
    return Facts(
        observed_cluster(cluster) if cluster is not None else None,
        [observed_pool(one) for one in others.pop("pools", ())],
        [observed_machine(one) for one in others.pop("machines", ())],
        **others,
    )


def unready(since: datetime) -> dict[str, Any]:
    """Return a Machine that runs, and is not ready since then."""
    ready = {"type": "Ready", "status": "False", "message": "no kubelet"}
    condition = {**ready, "lastTransitionTime": since.isoformat()}
    return a_machine("m", status={"conditions": [condition]})


CASES = [
    ({}, facts(), "ordered", "sent"),
    ({}, facts(away="the engine does not respond"), "ordered", "does not respond"),
    ({}, facts(refusal="version must be a valid semantic version"), "refused", "semantic version"),
    ({"adopted": True}, facts(), "ordered", "no Cluster"),
    ({**IMPORTED, "state": "ready"}, facts(), "ready", "not in the management cluster"),
    (IMPORTED, facts(a_cluster(), newer=True), "degraded", "newer revision"),
    ({}, facts(a_cluster(), taken="not this order's"), "foreign", "not this order's"),
    ({}, facts(a_cluster(status={"phase": ""})), "accepted", "accepted"),
    ({}, facts(a_cluster()), "provisioning", "makes the cluster"),
    ({}, facts(a_cluster(), machines=[a_machine("m")]), "provisioning", "1 of 1 machines"),
    (
        {},
        facts(a_cluster(conditions={"ControlPlaneAvailable": ("False", "QuotaExceeded", QUOTA)})),
        "provisioning",
        QUOTA,
    ),
    ({}, facts(a_cluster(status=INITIALIZED)), "initialized", "imported next"),
    ({}, facts(a_cluster(status=INITIALIZED), import_problem=""), "importing", "being imported"),
    (
        {},
        facts(a_cluster(status=INITIALIZED), import_problem="can't connect"),
        "importing",
        "can't connect",
    ),
    ({}, facts(a_cluster(spec={"paused": True})), "paused", "unpaused"),
    (
        {},
        facts(
            a_cluster(spec={"paused": True}, metadata={"deletionTimestamp": "2026-05-04T11:00:00Z"})
        ),
        "paused",
        "unpaused",
    ),
    (
        IMPORTED,
        facts(a_cluster(metadata={"deletionTimestamp": "2026-05-04T11:00:00Z"})),
        "deleting",
        "not by Sekisho",
    ),
    (IMPORTED, facts(a_cluster(), machines=[unready(NOW)]), "updating", "1 of 1 machines"),
    (IMPORTED, facts(a_cluster(), machines=[unready(LONG_AGO)]), "degraded", "m: no kubelet"),
    (IMPORTED, facts(a_cluster(status=INITIALIZED)), "ready", "Users can enter"),
    (IMPORTED, facts(a_cluster(status=INITIALIZED), pending=True), "updating", "sent"),
    (IMPORTED, facts(a_cluster(metadata={"generation": 2})), "updating", "not read"),
    (IMPORTED, facts(a_cluster(), pools=[a_pool(4, 2)]), "updating", "2 of 4"),
    (
        IMPORTED,
        facts(
            a_cluster(
                spec={
                    "topology": {
                        "workers": {"machineDeployments": [{"name": "workers", "replicas": 4}]}
                    }
                }
            ),
            pools=[a_pool(2, 2)],
        ),
        "updating",
        "2 of 4",
    ),
    (
        IMPORTED,
        facts(a_cluster(), machines=[a_machine("m", spec={"version": "v1.35.3"}), a_machine("n")]),
        "updating",
        "1 of 2 machines have version v1.36.3",
    ),
    (
        IMPORTED,
        facts(a_cluster(status={"controlPlane": {"versions": [{"version": "v1.35.3"}]}})),
        "updating",
        "control plane",
    ),
    (
        IMPORTED,
        facts(a_cluster(conditions={"RollingOut": ("True", "RollingOut", "Machine m")})),
        "updating",
        "Machine m",
    ),
    (
        IMPORTED,
        facts(a_cluster(conditions={"Available": ("False", "NotAvailable", "* Workers: gone")})),
        "degraded",
        "Workers: gone",
    ),
    (
        IMPORTED,
        facts(a_cluster(conditions={"Remediating": ("True", "Remediating", "Machine m")})),
        "degraded",
        "Machine m",
    ),
    (IMPORTED, facts(a_cluster(), rejects_sekisho=True), "degraded", "credentials"),
    ({"unreadable": "key"}, facts(), "ordered", "nothing is sent to the engine"),
    ({"deleting_since": NOW}, facts(), "deleting", "asked to delete"),
    (
        {"deleting_since": NOW},
        facts(
            a_cluster(conditions={"Deleting": ("True", "Waiting", "2 Machines")}),
            machines=[a_machine("m")],
        ),
        "deleting",
        "2 Machines; 1 machine is left",
    ),
    ({"deleting_since": NOW}, facts(a_cluster(spec={"paused": True})), "deleting", "paused"),
    ({"release": True}, facts(a_cluster()), "released", "stays"),
]


@pytest.mark.parametrize(("fields", "known", "state", "message"), CASES)
def test_order_has_the_state_of_what_is_known(
    fields: dict[str, Any], known: Facts, state: OrderState, message: str
) -> None:
    found = judge(an_order(**fields), known, NOW)
    assert (found.state, message in found.message) == (state, True), found.message


def test_state_that_lasts_keeps_its_begin_and_becomes_slow() -> None:
    order = an_order(state="provisioning", state_since=LONG_AGO)
    lasting = judge(order, facts(a_cluster()), NOW)
    assert (lasting.since, lasting.slow) == (LONG_AGO, True)
    begun = judge(an_order(state="ordered", state_since=LONG_AGO), facts(a_cluster()), NOW)
    assert (begun.since, begun.slow) == (NOW, False)


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"state": "ready", "imported_at": NOW}, "updating"),
        ({"state": "degraded", "imported_at": NOW}, "updating"),
        ({"state": "refused", "imported_at": NOW}, "updating"),
        ({"state": "refused"}, "ordered"),
        ({"state": "refused", "engine_uid": UID}, "accepted"),
        ({"state": "provisioning"}, None),
        ({"state": "paused", "imported_at": NOW}, None),
    ],
)
def test_changed_order_is_not_ready_until_the_change_was_seen(
    fields: dict[str, Any], state: OrderState | None
) -> None:
    order = an_order(**fields)
    assert announced(order, order.wanted) == {}
    found = announced(order, replace(order.wanted, version="v1.37.0"))
    assert found.get("state") == state


def test_deletion_is_slow_by_the_time_of_its_request() -> None:
    order = an_order(state="deleting", state_since=NOW, deleting_since=LONG_AGO)
    assert judge(order, facts(a_cluster()), NOW).slow


def test_nodes_with_a_vendors_version_are_a_warning_and_the_cluster_is_ready() -> None:
    """As EKS and GKE have them: the engine reports a rollout that never ends."""
    cluster = a_cluster(
        status=INITIALIZED,
        conditions={
            "RollingOut": ("True", "RollingOut", "m: Node version mismatch"),
            "TopologyReconciled": ("False", "MachineDeploymentsUpgradePending", "waits"),
        },
    )
    vendor = {"nodeInfo": {"kubeletVersion": "v1.36.3-eks-113cf36"}}
    known = facts(cluster, machines=[a_machine("m", status=vendor)], pools=[a_pool(1, 1)])
    found = judge(an_order(**IMPORTED), known, NOW)
    assert found.state == "ready"
    assert "v1.36.3-eks-113cf36" in found.message
    assert found.conditions[-1].type == KUBELET_VERSIONS


def test_cluster_that_was_just_imported_is_not_degraded() -> None:
    cluster = a_cluster(conditions={"Available": ("False", "NotAvailable", "no probe yet")})
    assert judge(an_order(engine_uid=UID, imported_at=NOW), facts(cluster), NOW).state == "ready"


TEXTS = st.sampled_from(["", "why"])
CLUSTERS = st.builds(
    lambda paused, initialized, phase, going, conditions: observed_cluster(
        a_cluster(
            spec={"paused": paused},
            status={
                "phase": phase,
                "initialization": {"controlPlaneInitialized": initialized},
            },
            metadata={"deletionTimestamp": "2026-05-04T11:00:00Z"} if going else {},
            conditions=conditions,
        )
    ),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "Provisioning", "Provisioned", "Deleting"]),
    st.booleans(),
    st.dictionaries(
        st.sampled_from(["Available", "RollingOut", "Deleting", "ControlPlaneAvailable"]),
        st.tuples(st.sampled_from(["True", "False", "Unknown"]), st.just("R"), st.text(max_size=9)),
    ),
)


@given(
    cluster=st.none() | CLUSTERS,
    refusal=TEXTS,
    taken=TEXTS,
    away=TEXTS,
    pending=st.booleans(),
    problem=st.none() | TEXTS,
    rejects=st.booleans(),
    state=st.sampled_from(get_args(OrderState)),
    imported=st.none() | st.just(LONG_AGO),
    deleting=st.none() | st.just(LONG_AGO),
    release=st.booleans(),
    hours=st.integers(0, 100),
)
def test_any_order_has_one_state_and_one_sentence(
    cluster: Any,
    refusal: str,
    taken: str,
    away: str,
    pending: bool,
    problem: str | None,
    rejects: bool,
    state: OrderState,
    imported: datetime | None,
    deleting: datetime | None,
    release: bool,
    hours: int,
) -> None:
    order = an_order(state=state, imported_at=imported, deleting_since=deleting, release=release)
    known = Facts(
        cluster,
        refusal=refusal,
        taken=taken,
        away=away,
        pending=pending,
        import_problem=problem,
        rejects_sekisho=rejects,
    )
    now = NOW + timedelta(hours=hours)
    found = judge(order, known, now)
    assert found.message
    assert "\n" not in found.message
    assert found.since <= now
    assert not found.slow or found.state in SLOW_AFTER
    assert release == (found.state == "released")
    if deleting and not release:
        assert found.state == "deleting"  # A cluster that costs money is not lost from sight.
    if found.state in {"ready", "updating", "degraded"}:
        assert imported
