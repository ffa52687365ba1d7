"""The label policy decides who moves, names and deletes namespaces, on a real API server.

Each user here may change every namespace by RBAC: only the label policy rejects a change.
"""

from contextlib import suppress
from typing import Any

import pytest

from management.kubernetes.manifests import PROJECT_LABEL, collection_path
from proxy.demo.local_cluster import RequestError
from tests.management.conftest import OwnCluster
from tests.management.desired_state.guarded_cluster import (
    MANAGERS,
    MERGE,
    MINE,
    PEOPLE,
    Asking,
    bind_cluster_role,
    label_change,
    make_namespace,
)
from tests.support.waiting import eventually


@pytest.mark.parametrize("name", ["kube-x", "openshift-x", "cattle-x", "openshift"])
@pytest.mark.parametrize("generated", [False, True])
async def test_system_names_are_for_managers_of_all_projects(
    guarded: Asking, name: str, generated: bool
) -> None:
    metadata = {"generateName" if generated else "name": f"{name}-" if generated else name}
    if generated and name == "openshift":
        metadata = {"generateName": "kube-"}
    for who, headers in PEOPLE.items():
        for labels in ({}, {PROJECT_LABEL: "p-shop"}):
            body = {"metadata": {**metadata, "labels": labels}}
            answer = await guarded(headers, "POST", "/api/v1/namespaces", body)
            assert answer.status == (201 if who in MANAGERS else 403), (who, answer)


async def test_namespace_without_a_project_is_moved_by_managers_of_all_projects(
    kubernetes: OwnCluster, guarded: Asking
) -> None:
    free = make_namespace(kubernetes, "guarded-free", {})
    for who, headers in PEOPLE.items():
        for name in (free, "kube-system", "kube-public", "default"):
            answer = await guarded(
                headers, "PATCH", f"/api/v1/namespaces/{name}", label_change("p-shop"), kind=MERGE
            )
            assert answer.status == (200 if who in MANAGERS else 403), (who, name, answer)


async def test_system_namespace_in_a_project_is_moved_and_deleted_by_managers_only(
    kubernetes: OwnCluster, guarded: Asking
) -> None:
    name = make_namespace(kubernetes, "cattle-placed", {PROJECT_LABEL: "p-shop"})
    path = f"/api/v1/namespaces/{name}"
    for who, headers in PEOPLE.items():
        expected = 200 if who in MANAGERS else 403
        for project in (None, "p-other"):
            answer = await guarded(headers, "PATCH", path, label_change(project), kind=MERGE)
            assert answer.status == expected, (who, project, answer)
        assert (await guarded(headers, "DELETE", path, {})).status == expected, who


async def test_members_move_namespaces_between_their_projects(guarded: Asking) -> None:
    path = f"/api/v1/namespaces/{MINE}"
    for project in ("p-other", None):
        answer = await guarded(PEOPLE["member"], "PATCH", path, label_change(project), kind=MERGE)
        assert answer.status == 200, answer
    made = {"metadata": {"name": "guarded-new", "labels": {PROJECT_LABEL: "p-shop"}}}
    assert (await guarded(PEOPLE["member"], "POST", "/api/v1/namespaces", made)).status == 201
    refused = await guarded(
        PEOPLE["project owner"], "PATCH", path, label_change("p-other"), kind=MERGE
    )
    assert refused.status == 403


@pytest.mark.parametrize("what", ["finalizers", "ownerReferences"])
async def test_finalizers_are_not_for_project_members(
    kubernetes: OwnCluster, guarded: Asking, what: str
) -> None:
    """The caller has the rights of a project member only."""
    name = make_namespace(kubernetes, "guarded-ends", {PROJECT_LABEL: "p-shop"})
    carol = {"Impersonate-User": "u-carol-only"}
    bind_cluster_role(
        kubernetes, "guard-carol", _role_for(kubernetes, name), ("User", "u-carol-only")
    )
    value: Any = ["example.com/stays"]
    if what == "ownerReferences":
        value = [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "1"}]
    path, change = f"/api/v1/namespaces/{name}", {"metadata": {what: value}}

    async def refused() -> bool:
        answer = await guarded(carol, "PATCH", path, change, kind=MERGE)
        return what in answer.message and "sekisho-project-labels" in answer.message

    await eventually(refused)
    free = {"metadata": {"labels": {"team": "x"}}}
    assert (await guarded(carol, "PATCH", path, free, kind=MERGE)).status == 200


async def test_label_policy_does_not_affect_the_clusters_controllers(
    kubernetes: OwnCluster, guarded: Asking
) -> None:
    """A service account that may change every namespace is a controller; a project's is not."""
    account = "system:serviceaccount:mesh-system:operator"
    bind_cluster_role(kubernetes, "guard-mesh", "guard-namespaces", ("User", account))
    bind_cluster_role(
        kubernetes,
        "guard-ci",
        _role_for(kubernetes, MINE),
        ("User", f"system:serviceaccount:{MINE}:ci"),
    )
    path, change = f"/api/v1/namespaces/{MINE}", {"metadata": {"labels": {"istio-injection": "x"}}}

    async def as_(name: str, body: object) -> int:
        who = {"Impersonate-User": name}
        return (await guarded(who, "PATCH", path, body, kind=MERGE)).status

    free = {"metadata": {"labels": {"team": "x"}}}
    await eventually(lambda: _is(as_(account, change), 200))
    await eventually(lambda: _is(as_(f"system:serviceaccount:{MINE}:ci", free), 200))
    assert await as_(f"system:serviceaccount:{MINE}:ci", change) == 403
    assert await as_(account, label_change("p-other")) == 403


async def _is(asked: Any, status: int) -> bool:
    return bool(await asked == status)


def _role_for(kubernetes: OwnCluster, name: str) -> str:
    """Return the rights of project members on one of the namespaces."""
    rule = {
        "apiGroups": [""],
        "resources": ["namespaces"],
        "verbs": ["get", "update", "patch", "delete"],
        "resourceNames": [name],
    }
    role = {"metadata": {"name": f"guard-{name}"}, "rules": [rule]}
    with suppress(RequestError):
        kubernetes.ask("POST", collection_path("ClusterRole"), role)
    return f"guard-{name}"
