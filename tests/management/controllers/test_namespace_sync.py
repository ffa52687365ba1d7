"""The projects of namespaces in a real cluster and in the store are kept in sync."""

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from management.clusters.project_namespaces import ProjectNamespaces
from management.clusters.service import ClusterService
from management.controllers.label_trust import LabelTrust
from management.controllers.reconciler import ClusterReconciler
from management.errors import ClusterOperationFailed, InvalidRequest
from management.kubernetes.manifests import PROJECT_LABEL
from store.access_records import Project, ProjectNamespace
from store.interfaces import Store
from store.records import Cluster
from tests.management.conftest import OwnCluster
from tests.management.controllers.real_cluster import (
    ALICE,
    BOB,
    MakeNamespace,
    UnsupportedPolicy,
    can,
    drift_namespace,
    find_object,
    frozen,
    has_label,
    has_uid,
    is_in_project,
    is_not_in_project,
    is_removed,
    managed,
    namespace_uid,
    project_label,
    running_manager,
    set_label,
    sync,
)
from tests.store.records import a_binding
from tests.support.waiting import eventually


async def test_access_ends_with_a_namespaces_move(
    kubernetes: OwnCluster,
    store: Store,
    cluster: Cluster,
    project: Project,
    other_project: Project,
    reconciler: ClusterReconciler,
    namespaces: ProjectNamespaces,
    namespace: MakeNamespace,
) -> None:
    name = namespace("moves")
    await store.bindings.create(a_binding(BOB, "project-member", cluster.id, "p-other"))
    await namespaces.move(project, *await namespaces.current(name))
    assert can(kubernetes, ALICE, "create", "deployments", name)
    await namespaces.move(other_project, *await namespaces.current(name))
    assert not can(kubernetes, ALICE, "create", "deployments", name)
    assert can(kubernetes, BOB, "create", "deployments", name)
    await namespaces.move(None, *await namespaces.current(name))
    assert not can(kubernetes, BOB, "create", "deployments", name)
    await eventually(reconciler.synced.is_set)
    assert await store.projects.namespaces(project_ids=["p-shop", "p-other"]) == []


@pytest.mark.usefixtures("namespace_editors")
async def test_namespace_is_not_put_into_a_project_without_permission(
    kubernetes: OwnCluster,
    store: Store,
    cluster: Cluster,
    project: Project,
    reconciler: ClusterReconciler,
    namespace: MakeNamespace,
) -> None:
    """rancher#11077. mallory may change namespaces; alice may also put them into her project.

    A namespace without a project is for managers of all projects, as in the API.
    """
    name = namespace("label")
    await store.projects.create(replace(project, id="p-vault", name="vault"))
    await eventually(reconciler.synced.is_set)
    await eventually(
        sync(lambda: not set_label(kubernetes, "mallory", name, "p-shop", "--dry-run=server"))
    )
    for who, value, allowed in (
        ("mallory", "p-shop", False),
        (ALICE, "p-vault", False),
        (ALICE, "p-none", False),
        (ALICE, "p-shop", False),
        ("admin", "p-shop", True),
        ("mallory", None, False),
    ):
        done = await asyncio.to_thread(set_label, kubernetes, who, name, value)
        assert done is allowed, (who, value)
    await eventually(lambda: is_in_project(store, name, "p-shop"))
    await eventually(sync(lambda: can(kubernetes, ALICE, "create", "deployments", name)))
    assert await asyncio.to_thread(set_label, kubernetes, ALICE, name, None)
    await eventually(sync(lambda: not can(kubernetes, ALICE, "create", "deployments", name)))
    assert not await is_in_project(store, name, "p-shop")


async def test_recreated_namespace_is_recorded_with_its_new_uid(
    kubernetes: OwnCluster,
    store: Store,
    cluster: Cluster,
    reconciler: ClusterReconciler,
    drift: str,
) -> None:
    current = kubernetes.ask("GET", f"/api/v1/namespaces/{drift}")["metadata"]
    await store.projects.put_namespace(
        ProjectNamespace(cluster.id, drift, "uid-of-the-first", "p-shop", "p-shop")
    )
    await eventually(lambda: has_uid(store, drift, current["uid"]))


async def test_label_is_not_trusted_without_the_label_policy(
    kubernetes: OwnCluster,
    store: Store,
    cluster: Cluster,
    drift: str,
    namespace: MakeNamespace,
) -> None:
    """As on Kubernetes before 1.30: the stored project is kept, and the label is repaired."""
    name = namespace("unguarded")
    async with managed(store, cluster, UnsupportedPolicy):
        for one, value, stays in ((name, "p-shop", None), (drift, None, "p-shop")):
            change = {"metadata": {"labels": {PROJECT_LABEL: value}}}
            kubernetes.ask("PATCH", f"/api/v1/namespaces/{one}", change)
            await eventually(sync(partial(has_label, kubernetes, one, stays)))
        assert not can(kubernetes, ALICE, "create", "deployments", name)


async def test_project_members_change_no_namespace_without_the_label_policy(
    kubernetes: OwnCluster, store: Store, cluster: Cluster, drift: str
) -> None:
    """As on Kubernetes before 1.30: a user who may change one could disable Pod Security."""
    async with managed(store, cluster, UnsupportedPolicy):
        await eventually(sync(lambda: kubernetes.can_i(ALICE, "get", "namespaces/drift")))
        for verb in ("update", "patch"):
            # The policy that another test installed is deleted first.
            refused = partial(_refuses, kubernetes, ALICE, verb, "namespaces/drift")
            await eventually(sync(refused))
    async with managed(store, cluster):
        await eventually(sync(lambda: kubernetes.can_i(ALICE, "patch", "namespaces/drift")))


def _refuses(kubernetes: OwnCluster, who: str, verb: str, what: str) -> bool:
    return not kubernetes.can_i(who, verb, what)


async def test_rejected_namespace_change_does_not_block_other_changes(
    kubernetes: OwnCluster,
    store: Store,
    cluster: Cluster,
    project: Project,
    reconciler: ClusterReconciler,
    namespace: MakeNamespace,
) -> None:
    """A policy of the cluster rejects the change. The store is restored, other changes are made."""
    name = namespace("frozen")
    with frozen(kubernetes, name):
        await store.projects.put_namespace(
            ProjectNamespace(cluster.id, name, namespace_uid(kubernetes, name), "p-shop")
        )
        await store.bindings.create(a_binding(BOB, "cluster-member", cluster.id))
        await eventually(sync(lambda: kubernetes.can_i(BOB, "create", "deployments")))
        await eventually(lambda: is_not_in_project(store, name, "p-shop"))
        await eventually(reconciler.synced.is_set)
        assert not has_label(kubernetes, name, "p-shop")


async def test_label_that_cannot_be_repaired_does_not_block_other_changes(
    kubernetes: OwnCluster,
    store: Store,
    cluster: Cluster,
    project: Project,
    namespace: MakeNamespace,
) -> None:
    name = namespace("stuck")
    kubernetes.ask("PATCH", f"/api/v1/namespaces/{name}", project_label("p-shop"))
    with frozen(kubernetes, name):
        async with running_manager(store, UnsupportedPolicy) as manager:
            await store.bindings.create(a_binding(BOB, "cluster-member", cluster.id))
            await eventually(sync(lambda: kubernetes.can_i(BOB, "create", "deployments")))
            made = manager.clusters[cluster.id].reconciler
            assert made is not None
            await eventually(lambda: made.problem is not None and name in made.problem)
            assert not can(kubernetes, ALICE, "create", "deployments", name)
    kubernetes.ask("PATCH", f"/api/v1/namespaces/{name}", project_label(None))


async def test_rejected_move_is_not_stored(
    kubernetes: OwnCluster,
    store: Store,
    cluster: Cluster,
    project: Project,
    other_project: Project,
    namespaces: ProjectNamespaces,
    namespace: MakeNamespace,
) -> None:
    name = namespace("refused")
    for target, before in ((project, None), (other_project, "p-shop"), (None, "p-shop")):
        if before is not None:
            await namespaces.move(project, *await namespaces.current(name))
        with frozen(kubernetes, name), pytest.raises(ClusterOperationFailed, match="frozen"):
            await namespaces.move(target, *await namespaces.current(name))
        found = await store.projects.namespaces(cluster_id=cluster.id)
        assert [(one.project_id, one.agreed) for one in found] == (
            [("p-shop", "p-shop")] if before else []
        )


async def test_restored_namespace_stays_in_its_project_while_the_label_policy_is_new(
    kubernetes: OwnCluster,
    store: Store,
    cluster: Cluster,
    project: Project,
    namespaces: ProjectNamespaces,
    namespace: MakeNamespace,
) -> None:
    """A backup restores it with its labels and another uid."""
    name, other = namespace("restored"), namespace("not-restored")
    await namespaces.move(project, *await namespaces.current(name))
    slow_trust = partial(LabelTrust, propagation_seconds=3600.0)
    async with managed(store, cluster, slow_trust) as reconciler:
        kubernetes.ask("DELETE", f"/api/v1/namespaces/{name}")
        await eventually(lambda: is_not_in_project(store, name, "p-shop"))
        await eventually(
            sync(lambda: find_object(kubernetes, f"/api/v1/namespaces/{name}") is None), 60
        )
        namespace("restored", {PROJECT_LABEL: "p-shop"})
        kubernetes.ask("PATCH", f"/api/v1/namespaces/{other}", project_label("p-shop"))
        await eventually(lambda: is_in_project(store, name, "p-shop"))
        await eventually(sync(lambda: can(kubernetes, ALICE, "create", "deployments", name)))
        await eventually(sync(lambda: has_label(kubernetes, other, None)))
        assert has_label(kubernetes, name, "p-shop")
        assert not reconciler.trusts_labels()


async def test_new_namespace_reduces_no_quota_below_its_use(
    kubernetes: OwnCluster,
    store: Store,
    cluster: Cluster,
    project: Project,
    namespaces: ProjectNamespaces,
) -> None:
    shared = await store.projects.replace(replace(project, quota={"secrets": "10"}), revision=1)
    first = await drift_namespace(store, cluster, shared)
    collection = f"/api/v1/namespaces/{first}"
    # The cluster's quota controller, which does not run here, would write this status.
    used = {"status": {"hard": {"secrets": "10"}, "used": {"secrets": "8"}}}
    kubernetes.ask("PATCH", f"{collection}/resourcequotas/sekisho-project/status", used)
    made: dict[str, Any] = {"labels": {}, "annotations": {}}
    with pytest.raises(InvalidRequest, match="drift uses 8 of secrets and would get 5"):
        await namespaces.create(shared, "newcomer-all", quota={}, **made)
    assert find_object(kubernetes, "/api/v1/namespaces/newcomer-all") is None
    placed = await namespaces.create(shared, "newcomer-two", quota={"secrets": "2"}, **made)
    assert placed.pending is None
    quota = kubernetes.ask("GET", f"{collection}/resourcequotas/sekisho-project")
    assert quota["spec"]["hard"] == {"secrets": "8"}
    for name in ("newcomer-two", first):
        kubernetes.ask("PATCH", f"/api/v1/namespaces/{name}", project_label(None))


async def test_immutable_namespace_does_not_block_the_removal_of_a_cluster(
    kubernetes: OwnCluster,
    store: Store,
    cluster: Cluster,
    project: Project,
    namespace: MakeNamespace,
) -> None:
    first, name = namespace("a-removed"), namespace("frozen-out")
    last = namespace("z-removed")
    for one in (first, name, last):
        kubernetes.ask("PATCH", f"/api/v1/namespaces/{one}", project_label("p-shop"))
    with frozen(kubernetes, name):
        await ClusterService(store).remove(cluster.id)
        assert await is_removed(store, cluster.id)
        assert [has_label(kubernetes, one, "p-shop") for one in (first, name, last)] == [
            False,
            True,
            False,
        ]
    kubernetes.ask("PATCH", f"/api/v1/namespaces/{name}", project_label(None))
