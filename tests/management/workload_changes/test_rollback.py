"""The target of a rollback is the one that ``kubectl rollout undo`` chooses."""

from typing import Any

import pytest

from management.workload_changes.patches import (
    JSON_PATCH,
    STRATEGIC_MERGE_PATCH,
    ChangeConflict,
    InvalidChange,
)
from management.workload_changes.rollback import revisions_path, rollback
from tests.management.workload_changes.manifests import (
    a_controller_revision,
    a_deployment,
    a_replica_set,
    a_template,
)

HISTORY = [a_replica_set("3", "web:3"), a_replica_set("1", "web:1"), a_replica_set("2", "web:2")]


def applied(patch: Any) -> dict[str, Any]:
    return {one["path"]: one["value"] for one in patch.body if one["op"] != "test"}


def test_deployment_returns_to_the_revision_before_the_present() -> None:
    found = rollback("deployment", a_deployment(), HISTORY)
    assert (found.revision, found.patch and found.patch.content_type) == (2, JSON_PATCH)
    changed = applied(found.patch)
    assert changed["/spec/template"] == a_template("web:2")
    assert changed["/metadata/annotations"] == {
        "deployment.kubernetes.io/revision": "3",
        "team": "r2",
    }


def test_patch_tests_that_the_deployment_has_not_changed() -> None:
    patch = rollback("deployment", a_deployment(), HISTORY).patch
    assert patch is not None
    tests = {one["path"]: one["value"] for one in patch.body if one["op"] == "test"}
    assert tests == {"/metadata/uid": "u-1", "/metadata/generation": 4}


def test_deployment_returns_to_the_chosen_revision() -> None:
    found = rollback("deployment", a_deployment(), HISTORY, 1)
    assert applied(found.patch)["/spec/template"] == a_template("web:1")


def test_present_revision_changes_nothing() -> None:
    assert rollback("deployment", a_deployment(), HISTORY, 3).patch is None


def test_replica_sets_of_other_owners_and_without_revision_do_not_count() -> None:
    others = [a_replica_set("2", "web:2", owner="u-2"), a_replica_set("none", "web:0")]
    with pytest.raises(ChangeConflict, match="no earlier revision"):
        rollback("deployment", a_deployment(), [HISTORY[0], *others])


def test_missing_revision_is_rejected_with_the_known_ones() -> None:
    with pytest.raises(InvalidChange, match="no revision 7; the workload has 1, 2, 3"):
        rollback("deployment", a_deployment(), HISTORY, 7)


def test_paused_deployment_is_not_rolled_back() -> None:
    with pytest.raises(ChangeConflict, match="resume it"):
        rollback("deployment", a_deployment(paused=True), HISTORY)


@pytest.mark.parametrize("kind", ["statefulset", "daemonset"])
def test_other_kinds_return_by_the_patch_of_the_controller_revision(kind: str) -> None:
    history = [a_controller_revision(number, f"web:{number}") for number in (3, 1, 2)]
    found = rollback(kind, a_deployment(), history)
    assert found.revision == 2
    assert found.patch is not None
    assert found.patch.content_type == STRATEGIC_MERGE_PATCH
    assert found.patch.body == {
        "spec": {"template": {**a_template("web:2"), "$patch": "replace"}},
        "metadata": {"uid": "u-1"},
    }
    assert rollback(kind, a_deployment(), history, 3).patch is None


def test_controller_revision_without_template_is_rejected() -> None:
    broken = {**a_controller_revision(1, "web:1"), "data": {}}
    with pytest.raises(InvalidChange, match="no pod template"):
        rollback("statefulset", a_deployment(), [broken], 1)


def test_kind_without_revisions_is_rejected() -> None:
    with pytest.raises(InvalidChange, match="a job has no revisions"):
        revisions_path("job", "shop")
