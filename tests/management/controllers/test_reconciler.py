"""The reconciler keeps a real cluster in sync through changes in the cluster and the store."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from management.clusters.project_namespaces import ProjectNamespaces
from management.controllers.reconciler import ClusterReconciler
from management.kubernetes.manifests import PROJECT_LABEL, SELECTOR, collection_path
from proxy.demo.local_cluster import RequestError
from store.access_records import PolicyRule, Project, ProjectNamespace, Role
from store.interfaces import Store
from store.records import Cluster
from tests.management.clusters.unreachable import UNREACHABLE
from tests.management.conftest import OwnCluster
from tests.management.controllers.real_cluster import (
    ALICE,
    BOB,
    can,
    content_of,
    drift_namespace,
    find_object,
    is_removed,
    managed,
    namespace_uid,
    project_label,
    running_manager,
    sync,
)
from tests.store.records import NOW, a_binding
from tests.support.waiting import eventually

OWN_ROLE = Role(
    "r-pods",
    "project",
    "pods",
    permissions=("project.read",),
    rules=(PolicyRule(verbs=("get", "list"), api_groups=("",), resources=("pods",)),),
    created_at=NOW,
)


async def test_cluster_role_is_granted_and_revoked_with_its_binding(
    kubernetes: OwnCluster, store: Store, cluster: Cluster, reconciler: ClusterReconciler
) -> None:
    binding = await store.bindings.create(a_binding(ALICE, "cluster-member", cluster.id))
    await eventually(sync(lambda: kubernetes.can_i(ALICE, "create", "deployments")))
    await store.bindings.delete(binding.id)
    await eventually(sync(lambda: not kubernetes.can_i(ALICE, "create", "deployments")))


async def test_project_members_have_access_to_its_namespaces_only(
    kubernetes: OwnCluster,
    store: Store,
    cluster: Cluster,
    project: Project,
    namespaces: ProjectNamespaces,
    reconciler: ClusterReconciler,
) -> None:
    placed = await namespaces.create(
        project, "shop-web", labels={"team": "web"}, annotations={}, quota={}
    )
    # Access is effective when the call returns, without waiting.
    assert placed.pending is None
    assert can(kubernetes, ALICE, "create", "deployments", "shop-web")
    assert not can(kubernetes, ALICE, "create", "deployments", "default")
    assert kubernetes.can_i(ALICE, "get", "namespaces/shop-web")
    assert not can(kubernetes, BOB, "create", "deployments", "shop-web")
    live = kubernetes.ask("GET", "/api/v1/namespaces/shop-web")["metadata"]["labels"]
    assert (live[PROJECT_LABEL], live["team"]) == ("p-shop", "web")
    await eventually(reconciler.synced.is_set)
    writes = reconciler.writes
    await store.bindings.create(a_binding(BOB, "project-read-only", cluster.id, "p-shop"))
    await eventually(sync(lambda: can(kubernetes, BOB, "list", "pods", "shop-web")))
    assert not can(kubernetes, BOB, "create", "deployments", "shop-web")
    assert reconciler.writes > writes


@pytest.mark.parametrize(
    ("kind", "name", "harm"),
    [
        ("RoleBinding", "sekisho:edit", None),
        ("RoleBinding", "sekisho:edit", {"subjects": []}),
        ("ClusterRole", "sekisho:p-shop:namespaces", None),
        (
            "ClusterRole",
            "sekisho:p-shop:namespaces",
            {"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]},
        ),
        ("ClusterRoleBinding", "sekisho:p-shop:see", {"metadata": {"labels": None}}),
        ("ValidatingAdmissionPolicyBinding", "sekisho-project-labels", None),
        ("ValidatingAdmissionPolicy", "sekisho-project-labels", {"spec": {"validations": None}}),
        ("ResourceQuota", "sekisho-project", {"spec": {"hard": {"pods": "9000"}}}),
        ("ResourceQuota", "sekisho-project", {"spec": {"hard": {"secrets": "1"}}}),
        ("NetworkPolicy", "sekisho-project", {"spec": {"ingress": [{}]}}),
        ("LimitRange", "sekisho-project", None),
    ],
)
async def test_object_changed_by_another_client_is_repaired(
    kubernetes: OwnCluster,
    store: Store,
    cluster: Cluster,
    project: Project,
    reconciler: ClusterReconciler,
    kind: str,
    name: str,
    harm: dict[str, Any] | None,
) -> None:
    await store.projects.replace(
        replace(
            project,
            quota={"pods": "50"},
            container_limits={"default": {"memory": "1Gi"}},
            isolated=True,
        ),
        revision=1,
    )
    await drift_namespace(store, cluster, project)
    spaced = None if kind.startswith(("Cluster", "Validating")) else "drift"
    path = f"{collection_path(kind, spaced)}/{name}"
    await eventually(sync(lambda: find_object(kubernetes, path) is not None))
    await eventually(reconciler.synced.is_set)
    before = find_object(kubernetes, path)
    assert before is not None
    if harm is None:
        kubernetes.ask("DELETE", path)
    else:
        with suppress(RequestError):  # The API server itself rejects some changes.
            kubernetes.ask("PATCH", path, harm)

    def right() -> bool:
        now = find_object(kubernetes, path)
        return now is not None and content_of(now) == content_of(before)

    await eventually(sync(right))


async def test_unmanaged_objects_are_left_alone(
    kubernetes: OwnCluster,
    store: Store,
    cluster: Cluster,
    project: Project,
    reconciler: ClusterReconciler,
) -> None:
    role = {"metadata": {"name": "foreign-role"}, "rules": []}
    kubernetes.ask("POST", collection_path("ClusterRole"), role)
    path = f"{collection_path('ClusterRole')}/foreign-role"
    try:
        before = kubernetes.ask("GET", path)
        await store.bindings.create(a_binding(BOB, "cluster-owner", cluster.id))
        await eventually(sync(lambda: kubernetes.can_i(BOB, "delete", "nodes")))
        assert kubernetes.ask("GET", path) == before
    finally:
        kubernetes.ask("DELETE", path)


async def test_custom_role_follows_its_changes(
    kubernetes: OwnCluster,
    store: Store,
    cluster: Cluster,
    project: Project,
    reconciler: ClusterReconciler,
) -> None:
    await store.roles.create(OWN_ROLE)
    await store.bindings.create(a_binding(BOB, "r-pods", cluster.id, "p-shop"))
    await drift_namespace(store, cluster, project)
    await eventually(sync(lambda: can(kubernetes, BOB, "list", "pods", "drift")))
    assert not can(kubernetes, BOB, "list", "secrets", "drift")
    wider = PolicyRule(verbs=("list",), api_groups=("",), resources=("secrets",))
    await store.roles.replace(replace(OWN_ROLE, rules=(wider,)), revision=1)
    await eventually(sync(lambda: can(kubernetes, BOB, "list", "secrets", "drift")))
    await eventually(sync(lambda: not can(kubernetes, BOB, "list", "pods", "drift")))


async def test_access_that_ended_during_an_outage_is_revoked(
    kubernetes: OwnCluster, store: Store, cluster: Cluster, project: Project
) -> None:
    await store.bindings.create(a_binding(BOB, "cluster-member", cluster.id))
    await drift_namespace(store, cluster, project)
    async with managed(store, cluster):
        await eventually(sync(lambda: kubernetes.can_i(BOB, "create", "deployments")))
        await eventually(sync(lambda: can(kubernetes, ALICE, "create", "deployments", "drift")))
    await store.users.delete(BOB)
    await store.projects.drop_namespace(cluster.id, "drift")
    kubernetes.ask(
        "PATCH", "/api/v1/namespaces/drift", {"metadata": {"labels": {PROJECT_LABEL: None}}}
    )
    await store.projects.delete(project.id)
    async with managed(store, cluster):
        await eventually(sync(lambda: not kubernetes.can_i(BOB, "create", "deployments")))
        await eventually(sync(lambda: not can(kubernetes, ALICE, "create", "deployments", "drift")))
    left = kubernetes.ask("GET", f"{collection_path('ClusterRole')}?labelSelector={SELECTOR}")
    assert not [one for one in left["items"] if "p-shop" in one["metadata"]["name"]]


async def test_recovered_cluster_gets_missed_changes(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    await store.clusters.replace(replace(cluster, servers=(UNREACHABLE,)))
    async with running_manager(store) as manager:
        await eventually(lambda: cluster.id in manager.clusters)
        await store.bindings.create(a_binding(ALICE, "cluster-member", cluster.id))
        await store.clusters.replace(cluster)
        await eventually(sync(lambda: kubernetes.can_i(ALICE, "create", "deployments")))


async def test_removal_of_an_unreachable_cluster_completes_after_the_outage(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    await store.bindings.create(a_binding(ALICE, "cluster-member", cluster.id))
    async with managed(store, cluster):
        await eventually(sync(lambda: kubernetes.can_i(ALICE, "create", "deployments")))
        away = replace(cluster, servers=(UNREACHABLE,), removing_since=NOW)
        await store.clusters.replace(away)
        await store.clusters.replace(replace(cluster, removing_since=NOW))
        await eventually(sync(lambda: not kubernetes.can_i(ALICE, "create", "deployments")))
        await eventually(lambda: is_removed(store, cluster.id))


async def test_cluster_in_sync_causes_no_requests(
    kubernetes: OwnCluster,
    store: Store,
    cluster: Cluster,
    reconciler: ClusterReconciler,
    drift: str,
) -> None:
    await eventually(reconciler.synced.is_set)
    calls = reconciler.calls
    await asyncio.sleep(1.0)  # No change during this time.
    assert reconciler.calls == calls


async def test_invalid_project_does_not_affect_other_projects(
    kubernetes: OwnCluster,
    store: Store,
    cluster: Cluster,
    project: Project,
    reconciler: ClusterReconciler,
    drift: str,
) -> None:
    await store.projects.create(replace(project, id="p-bad", name="bad", quota={"pods": "many"}))
    await store.projects.put_namespace(
        ProjectNamespace(
            cluster.id, "kube-public", namespace_uid(kubernetes, "kube-public"), "p-bad"
        )
    )
    await store.bindings.create(a_binding(BOB, "project-member", cluster.id, "p-shop"))
    await eventually(sync(lambda: can(kubernetes, BOB, "create", "deployments", "drift")))
    await eventually(lambda: reconciler.problem is not None and "p-bad" in reconciler.problem)
    kubernetes.ask("PATCH", "/api/v1/namespaces/kube-public", project_label(None))


ODD = [
    "Upper:Case",
    "what?",
    "half#way",
    "semi;colon",
    "plus+and",
    "a&b=c",
    "back\\slash",
    "[x]",
    "a..b",
    "l" * 253,
]


@pytest.mark.parametrize("name", ODD, ids=lambda one: one[:12])
async def test_role_with_an_unusual_cluster_role_name_ends_with_its_binding(
    kubernetes: OwnCluster,
    store: Store,
    cluster: Cluster,
    project: Project,
    reconciler: ClusterReconciler,
    name: str,
) -> None:
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}
    with suppress(RequestError):
        kubernetes.ask(
            "POST", collection_path("ClusterRole"), {"metadata": {"name": name}, "rules": [rule]}
        )
    await drift_namespace(store, cluster, project)
    for scope, project_id, where in (("cluster", None, "default"), ("project", "p-shop", "drift")):
        role = Role(f"r-odd-{scope}", scope, "odd", cluster_roles=(name,), created_at=NOW)  # type: ignore[arg-type]
        await store.roles.create(role)
        binding = await store.bindings.create(a_binding(BOB, role.id, cluster.id, project_id))
        may_list = partial(can, kubernetes, BOB, "list", "secrets", where)
        await eventually(sync(may_list))
        await store.bindings.delete(binding.id)
        await eventually(sync(lambda check=may_list: not check()))  # type: ignore[misc]
    await eventually(reconciler.synced.is_set)
