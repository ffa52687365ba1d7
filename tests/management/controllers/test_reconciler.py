"""A real cluster is kept as it shall be, whatever happens in it and in the store."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from management.clusters import ClusterService
from management.controllers import keeper as keeper_module
from management.controllers.keeper import Keeper
from management.controllers.manager import ControllerManager
from management.downstream.objects import PROJECT_LABEL, SELECTOR, collection_path
from management.projects import ProjectNamespaces
from proxy.demo.downstream import RequestError
from store.access_records import PolicyRule, Project, ProjectNamespace, Role
from store.interfaces import Cluster, Store
from tests.management.clusters.conftest import OwnCluster, user
from tests.management.clusters.test_import import NOBODY
from tests.parts.waiting import soon
from tests.store.records import NOW, a_binding

ALICE, BOB = user("alice").id, user("bob").id
OWN_ROLE = Role(
    "r-pods",
    "project",
    "pods",
    permissions=("project.read",),
    rules=(PolicyRule(verbs=("get", "list"), api_groups=("",), resources=("pods",)),),
    created_at=NOW,
)


@pytest.fixture
async def cluster(clean: OwnCluster, store: Store) -> Cluster:
    """The cluster, imported as ``prod``."""
    result = await ClusterService(store).import_cluster("prod", clean.endpoint, clean.administrator)
    assert result.cluster is not None
    return result.cluster


@pytest.fixture
async def project(store: Store, cluster: Cluster) -> Project:
    """A project in which alice is a member."""
    made = Project("p-shop", cluster.id, "shop", NOW)
    await store.projects.create(made)
    await store.bindings.create(a_binding(ALICE, "project-member", cluster.id, "p-shop"))
    return made


@pytest.fixture
async def keeper(
    store: Store, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Keeper]:
    """The cluster is looked after, and is as it shall be by now."""
    monkeypatch.setattr(keeper_module, "TRUSTED_AFTER", 0.5)
    async with looked_after(store, cluster) as made:
        await soon(made.trusts_labels)
        yield made


@asynccontextmanager
async def looked_after(store: Store, cluster: Cluster) -> AsyncIterator[Keeper]:
    manager = ControllerManager(store)
    task = asyncio.create_task(manager.run())

    def keeper() -> Keeper | None:
        care = manager.cares.get(cluster.id)
        return care.keeper if care is not None else None

    try:
        await soon(lambda: (one := keeper()) is not None and one.settled.is_set(), 30)
        made = keeper()
        assert made is not None
        yield made
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def namespace(clean: OwnCluster) -> Callable[[str], str]:
    """Makes namespaces with names of their own, for those of a real cluster go slowly."""

    def make(name: str, labels: dict[str, str] | None = None) -> str:
        name = f"{name}-{make.__hash__() % 10**6}"
        body = {"metadata": {"name": name, "labels": labels or {}}}
        with suppress(RequestError):
            clean.ask("POST", collection_path("Namespace"), body)
        return name

    return make


def can(kubernetes: OwnCluster, who: str, verb: str, what: str, namespace: str) -> bool:
    return kubernetes.can_i(who, verb, what, "-n", namespace)


def sync(check: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    """A check that blocks, asked from another thread."""
    return lambda: asyncio.to_thread(check)


async def test_a_role_in_the_cluster_comes_and_goes_with_its_binding(
    kubernetes: OwnCluster, store: Store, cluster: Cluster, keeper: Keeper
) -> None:
    binding = await store.bindings.create(a_binding(ALICE, "cluster-member", cluster.id))
    await soon(sync(lambda: kubernetes.can_i(ALICE, "create", "deployments")))
    await store.bindings.delete(binding.id)
    await soon(sync(lambda: not kubernetes.can_i(ALICE, "create", "deployments")))


async def test_a_projects_people_may_work_in_its_namespaces_and_nowhere_else(
    kubernetes: OwnCluster, store: Store, cluster: Cluster, project: Project, keeper: Keeper
) -> None:
    placed = await ProjectNamespaces(store, cluster).create(
        project, "shop-web", labels={"team": "web"}, annotations={}, quota={}
    )
    # At once, when the call returns: not after a while.
    assert placed.pending is None
    assert can(kubernetes, ALICE, "create", "deployments", "shop-web")
    assert not can(kubernetes, ALICE, "create", "deployments", "default")
    assert kubernetes.can_i(ALICE, "get", "namespaces/shop-web")
    assert not can(kubernetes, BOB, "create", "deployments", "shop-web")
    live = kubernetes.ask("GET", "/api/v1/namespaces/shop-web")["metadata"]["labels"]
    assert (live[PROJECT_LABEL], live["team"]) == ("p-shop", "web")
    await soon(keeper.settled.is_set)
    writes = keeper.writes
    await store.bindings.create(a_binding(BOB, "project-read-only", cluster.id, "p-shop"))
    await soon(sync(lambda: can(kubernetes, BOB, "list", "pods", "shop-web")))
    assert not can(kubernetes, BOB, "create", "deployments", "shop-web")
    assert keeper.writes > writes


async def test_access_ends_with_a_namespaces_move(
    kubernetes: OwnCluster,
    store: Store,
    cluster: Cluster,
    project: Project,
    keeper: Keeper,
    namespace: Callable[[str], str],
) -> None:
    name = namespace("moves")
    other = replace(project, id="p-other", name="other")
    await store.projects.create(other)
    await store.bindings.create(a_binding(BOB, "project-member", cluster.id, "p-other"))
    namespaces = ProjectNamespaces(store, cluster)
    await namespaces.move(project, *await namespaces.current(name))
    assert can(kubernetes, ALICE, "create", "deployments", name)
    await namespaces.move(other, *await namespaces.current(name))
    assert not can(kubernetes, ALICE, "create", "deployments", name)
    assert can(kubernetes, BOB, "create", "deployments", name)
    await namespaces.move(None, *await namespaces.current(name))
    assert not can(kubernetes, BOB, "create", "deployments", name)
    await soon(keeper.settled.is_set)
    assert await store.projects.namespaces(project_ids=["p-shop", "p-other"]) == []


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
async def test_what_somebody_changed_is_put_right(
    kubernetes: OwnCluster,
    store: Store,
    cluster: Cluster,
    project: Project,
    keeper: Keeper,
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
    await _drift_namespace(store, cluster, project)
    spaced = None if kind.startswith(("Cluster", "Validating")) else "drift"
    path = f"{collection_path(kind, spaced)}/{name}"
    await soon(sync(lambda: _found(kubernetes, path) is not None))
    await soon(keeper.settled.is_set)
    before = _found(kubernetes, path)
    assert before is not None
    if harm is None:
        kubernetes.ask("DELETE", path)
    else:
        with suppress(RequestError):  # Some harm the API server itself refuses.
            kubernetes.ask("PATCH", path, harm)

    def right() -> bool:
        now = _found(kubernetes, path)
        return now is not None and _content(now) == _content(before)

    await soon(sync(right))


async def test_what_is_not_ours_is_left_alone(
    kubernetes: OwnCluster, store: Store, cluster: Cluster, project: Project, keeper: Keeper
) -> None:
    role = {"metadata": {"name": "somebody-elses"}, "rules": []}
    kubernetes.ask("POST", collection_path("ClusterRole"), role)
    path = f"{collection_path('ClusterRole')}/somebody-elses"
    try:
        before = kubernetes.ask("GET", path)
        await store.bindings.create(a_binding(BOB, "cluster-owner", cluster.id))
        await soon(sync(lambda: kubernetes.can_i(BOB, "delete", "nodes")))
        assert kubernetes.ask("GET", path) == before
    finally:
        kubernetes.ask("DELETE", path)


async def test_a_role_of_ones_own_follows_its_changes(
    kubernetes: OwnCluster, store: Store, cluster: Cluster, project: Project, keeper: Keeper
) -> None:
    await store.roles.create(OWN_ROLE)
    await store.bindings.create(a_binding(BOB, "r-pods", cluster.id, "p-shop"))
    await _drift_namespace(store, cluster, project)
    await soon(sync(lambda: can(kubernetes, BOB, "list", "pods", "drift")))
    assert not can(kubernetes, BOB, "list", "secrets", "drift")
    wider = PolicyRule(verbs=("list",), api_groups=("",), resources=("secrets",))
    await store.roles.replace(replace(OWN_ROLE, rules=(wider,)), revision=1)
    await soon(sync(lambda: can(kubernetes, BOB, "list", "secrets", "drift")))
    await soon(sync(lambda: not can(kubernetes, BOB, "list", "pods", "drift")))


async def test_what_ended_while_nobody_looked_is_taken_away(
    kubernetes: OwnCluster, store: Store, cluster: Cluster, project: Project
) -> None:
    """The cluster was away, or every replica was: a user, a project, a binding have gone."""
    await store.bindings.create(a_binding(BOB, "cluster-member", cluster.id))
    await _drift_namespace(store, cluster, project)
    async with looked_after(store, cluster):
        await soon(sync(lambda: kubernetes.can_i(BOB, "create", "deployments")))
        await soon(sync(lambda: can(kubernetes, ALICE, "create", "deployments", "drift")))
    await store.users.delete(BOB)
    await store.projects.drop_namespace(cluster.id, "drift")
    kubernetes.ask(
        "PATCH", "/api/v1/namespaces/drift", {"metadata": {"labels": {PROJECT_LABEL: None}}}
    )
    await store.projects.delete(project.id)
    async with looked_after(store, cluster):
        await soon(sync(lambda: not kubernetes.can_i(BOB, "create", "deployments")))
        await soon(sync(lambda: not can(kubernetes, ALICE, "create", "deployments", "drift")))
    left = kubernetes.ask("GET", f"{collection_path('ClusterRole')}?labelSelector={SELECTOR}")
    assert not [one for one in left["items"] if "p-shop" in one["metadata"]["name"]]


async def test_nobody_puts_a_namespace_into_a_project_that_is_not_theirs(
    kubernetes: OwnCluster,
    store: Store,
    cluster: Cluster,
    project: Project,
    keeper: Keeper,
    namespace: Callable[[str], str],
) -> None:
    """rancher#11077. mallory may change namespaces; alice may also put them into her project."""
    name = namespace("label")
    await store.projects.create(replace(project, id="p-vault", name="vault"))
    await _may_change_namespaces(kubernetes)
    await soon(keeper.settled.is_set)
    await soon(sync(lambda: not _label(kubernetes, "mallory", name, "p-shop", "--dry-run=server")))
    for who, value, allowed in (
        ("mallory", "p-shop", False),
        (ALICE, "p-vault", False),
        (ALICE, "p-none", False),
        (ALICE, "p-shop", True),
        ("mallory", None, False),
    ):
        done = await asyncio.to_thread(_label, kubernetes, who, name, value)
        assert done is allowed, (who, value)
    await soon(lambda: _is_in(store, name, "p-shop"))
    await soon(sync(lambda: can(kubernetes, ALICE, "create", "deployments", name)))
    assert await asyncio.to_thread(_label, kubernetes, ALICE, name, None)
    await soon(sync(lambda: not can(kubernetes, ALICE, "create", "deployments", name)))
    assert not await _is_in(store, name, "p-shop")


async def test_a_namespace_of_the_same_name_is_another(
    kubernetes: OwnCluster, store: Store, cluster: Cluster, project: Project, keeper: Keeper
) -> None:
    name = await _drift_namespace(store, cluster, project)
    current = kubernetes.ask("GET", f"/api/v1/namespaces/{name}")["metadata"]
    await store.projects.put_namespace(
        ProjectNamespace(cluster.id, name, "uid-of-the-first", "p-shop", "p-shop")
    )
    await soon(lambda: _uid_is(store, name, current["uid"]))


async def test_a_label_is_not_believed_where_labels_are_not_guarded(
    kubernetes: OwnCluster,
    store: Store,
    cluster: Cluster,
    project: Project,
    namespace: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on Kubernetes before 1.30: what is stored counts, and the label is put right."""
    monkeypatch.setattr(Keeper, "trusts_labels", lambda self: False)
    monkeypatch.setattr(Keeper, "_wanted_guard", lambda self: [])
    name = namespace("unguarded")
    mine = await _drift_namespace(store, cluster, project)
    async with looked_after(store, cluster):
        for one, value, stays in ((name, "p-shop", None), (mine, None, "p-shop")):
            change = {"metadata": {"labels": {PROJECT_LABEL: value}}}
            kubernetes.ask("PATCH", f"/api/v1/namespaces/{one}", change)
            await soon(sync(partial(_label_is, kubernetes, one, stays)))
        assert not can(kubernetes, ALICE, "create", "deployments", name)


async def test_a_cluster_that_comes_back_gets_what_it_missed(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    await store.clusters.replace(replace(cluster, servers=(NOBODY,)))
    manager = ControllerManager(store)
    task = asyncio.create_task(manager.run())
    try:
        await soon(lambda: cluster.id in manager.cares)
        await store.bindings.create(a_binding(ALICE, "cluster-member", cluster.id))
        await store.clusters.replace(cluster)
        await soon(sync(lambda: kubernetes.can_i(ALICE, "create", "deployments")))
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_cluster_that_was_away_when_it_was_removed_is_cleaned_when_it_is_back(
    kubernetes: OwnCluster, store: Store, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("management.controllers.manager.REMOVAL_SECONDS", 0.2)
    await store.bindings.create(a_binding(ALICE, "cluster-member", cluster.id))
    async with looked_after(store, cluster):
        await soon(sync(lambda: kubernetes.can_i(ALICE, "create", "deployments")))
        away = replace(cluster, servers=(NOBODY,), removing_since=NOW)
        await store.clusters.replace(away)
        await store.clusters.replace(replace(cluster, removing_since=NOW))
        await soon(sync(lambda: not kubernetes.can_i(ALICE, "create", "deployments")))
        await soon(lambda: _forgotten(store, cluster.id))


async def test_at_rest_nothing_is_asked_for_each_object(
    kubernetes: OwnCluster, store: Store, cluster: Cluster, project: Project, keeper: Keeper
) -> None:
    await _drift_namespace(store, cluster, project)
    await soon(keeper.settled.is_set)
    calls = keeper.calls
    await asyncio.sleep(1.0)  # Nothing happens, for as long as this.
    assert keeper.calls == calls


async def _drift_namespace(store: Store, cluster: Cluster, project: Project) -> str:
    """The namespace ``drift``, in the project."""
    namespaces = ProjectNamespaces(store, cluster)
    try:
        found = await namespaces.current("drift")
    except Exception:
        await namespaces.create(project, "drift", labels={}, annotations={}, quota={})
    else:
        await namespaces.move(project, *found)
    return "drift"


async def _may_change_namespaces(kubernetes: OwnCluster) -> None:
    rbac = "rbac.authorization.k8s.io"
    rule = {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "patch"]}
    role = {"metadata": {"name": "namespace-editor"}, "rules": [rule]}
    subjects = [{"kind": "User", "apiGroup": rbac, "name": name} for name in ("mallory", ALICE)]
    reference = {"apiGroup": rbac, "kind": "ClusterRole", "name": "namespace-editor"}
    binding = {"metadata": role["metadata"], "roleRef": reference, "subjects": subjects}
    for kind, body in (("ClusterRole", role), ("ClusterRoleBinding", binding)):
        with suppress(RequestError):
            kubernetes.ask("POST", collection_path(kind), body)


def _label(kubernetes: OwnCluster, who: str, name: str, value: str | None, *options: str) -> bool:
    from tests.parts.kubernetes import kubectl

    label = f"{PROJECT_LABEL}-" if value is None else f"{PROJECT_LABEL}={value}"
    done = kubectl(
        kubernetes.admin_kubeconfig,
        "label",
        "--overwrite",
        "ns",
        name,
        label,
        f"--as={who}",
        *options,
    )
    assert done.returncode == 0 or "you may not" in done.stderr, done.stderr
    return done.returncode == 0


def _label_is(kubernetes: OwnCluster, name: str, value: str | None) -> bool:
    labels = kubernetes.ask("GET", f"/api/v1/namespaces/{name}")["metadata"].get("labels") or {}
    return bool(labels.get(PROJECT_LABEL) == value)


async def _is_in(store: Store, name: str, project: str) -> bool:
    inside = await store.projects.namespaces(project_ids=[project])
    return name in {one.namespace for one in inside}


async def _uid_is(store: Store, name: str, uid: str) -> bool:
    inside = await store.projects.namespaces(project_ids=["p-shop"])
    return (name, uid) in {(one.namespace, one.uid) for one in inside}


async def _forgotten(store: Store, cluster_id: str) -> bool:
    return await store.clusters.get(cluster_id) is None


def _found(kubernetes: OwnCluster, path: str) -> dict[str, Any] | None:
    try:
        return kubernetes.ask("GET", path)
    except RequestError:
        return None


def _content(manifest: dict[str, Any]) -> dict[str, Any]:
    labels = manifest["metadata"].get("labels")
    return {k: v for k, v in manifest.items() if k not in {"metadata", "status"}} | {"l": labels}
