"""Helpers for tests of the reconciler with a real cluster."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Protocol

from management.clusters.project_namespaces import ProjectNamespaces
from management.controllers.label_trust import LabelTrust
from management.controllers.manager import ControllerManager
from management.controllers.reconciler import ClusterReconciler
from management.controllers.timing import ControllerTiming
from management.desired_state.diff import Key
from management.kubernetes.manifests import PROJECT_LABEL, Manifest, collection_path
from management.kubernetes.process_memory import ProcessMemory
from proxy.demo.local_cluster import RequestError
from store.access_records import Project
from store.interfaces import Store
from store.records import Cluster
from tests.management.conftest import OwnCluster, user
from tests.support.kubernetes import kubectl
from tests.support.waiting import eventually, wait_until

ALICE, BOB = user("alice").id, user("bob").id


class UnsupportedPolicy(LabelTrust):
    """A cluster without the API of admission policies, as Kubernetes before 1.30."""

    def desired_policy(self, *, supported: bool) -> list[Manifest]:
        return []

    def pending_seconds(self, observed: Mapping[Key, Manifest]) -> float:
        return 3600.0


def quick_trust() -> LabelTrust:
    """Trust labels soon after the policy is installed."""
    return LabelTrust(propagation_seconds=0.5)


class MakeNamespace(Protocol):
    """Create a namespace with a unique name that begins with ``name``. Return its name."""

    def __call__(self, name: str, labels: dict[str, str] | None = None) -> str: ...


@asynccontextmanager
async def running_manager(
    store: Store,
    label_trust: Callable[[], LabelTrust] = LabelTrust,
    memory: ProcessMemory | None = None,
    timing: ControllerTiming | None = None,
) -> AsyncIterator[ControllerManager]:
    """Run the controllers of all clusters."""
    timing = timing or ControllerTiming(first_removal=0.2)
    manager = ControllerManager(store, label_trust=label_trust, timing=timing, memory=memory)
    task = asyncio.create_task(manager.run())
    try:
        yield manager
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def managed(
    store: Store, cluster: Cluster, label_trust: Callable[[], LabelTrust] = LabelTrust
) -> AsyncIterator[ClusterReconciler]:
    """Run the controllers. Yield the cluster's reconciler as soon as the cluster is in sync."""

    def found() -> ClusterReconciler | None:
        one = manager.clusters.get(cluster.id)
        return one.reconciler if one is not None else None

    def what() -> str:
        one = found()
        return f"the cluster to be in sync: {'not started' if one is None else one.problem}"

    async with running_manager(store, label_trust) as manager:
        await eventually(lambda: (one := found()) is not None and one.synced.is_set(), 30, what)
        made = found()
        assert made is not None
        yield made


def can(kubernetes: OwnCluster, who: str, verb: str, what: str, namespace: str) -> bool:
    return kubernetes.can_i(who, verb, what, "-n", namespace)


def sync(check: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    """Return an asynchronous check that runs a blocking one in a thread."""
    return lambda: asyncio.to_thread(check)


async def drift_namespace(store: Store, cluster: Cluster, project: Project) -> str:
    """Create the namespace ``drift`` in the project, or move it there. Return its name."""
    namespaces = ProjectNamespaces(store, cluster)
    try:
        found = await namespaces.current("drift")
    except Exception:
        await namespaces.create(project, "drift", labels={}, annotations={}, quota={})
    else:
        await namespaces.move(project, *found)
    return "drift"


def set_label(
    kubernetes: OwnCluster, who: str, name: str, value: str | None, *options: str
) -> bool:
    """Set a namespace's project label with kubectl as a user. Return whether that is allowed."""
    label = f"{PROJECT_LABEL}-" if value is None else f"{PROJECT_LABEL}={value}"
    done = kubectl(
        kubernetes.admin_kubeconfig,
        "label",
        "--overwrite",
        "ns",
        name,
        label,
        f"--as={who}",
        *(("--as-group=system:masters",) if who == "admin" else ()),
        *options,
    )
    messages = ("you may not", "is in no project")
    assert done.returncode == 0 or any(one in done.stderr for one in messages), done.stderr
    return done.returncode == 0


def has_label(kubernetes: OwnCluster, name: str, value: str | None) -> bool:
    labels = kubernetes.ask("GET", f"/api/v1/namespaces/{name}")["metadata"].get("labels") or {}
    return bool(labels.get(PROJECT_LABEL) == value)


async def is_in_project(store: Store, name: str, project: str) -> bool:
    inside = await store.projects.namespaces(project_ids=[project])
    return name in {one.namespace for one in inside}


async def is_not_in_project(store: Store, name: str, project: str) -> bool:
    return not await is_in_project(store, name, project)


async def is_removed(store: Store, cluster_id: str) -> bool:
    return await store.clusters.get(cluster_id) is None


def find_object(kubernetes: OwnCluster, path: str) -> dict[str, Any] | None:
    try:
        return kubernetes.ask("GET", path)
    except RequestError:
        return None


def namespace_uid(kubernetes: OwnCluster, name: str) -> str:
    uid: str = kubernetes.ask("GET", f"/api/v1/namespaces/{name}")["metadata"]["uid"]
    return uid


def project_label(project_id: str | None) -> dict[str, Any]:
    return {"metadata": {"labels": {PROJECT_LABEL: project_id}}}


@contextmanager
def frozen(kubernetes: OwnCluster, name: str) -> Iterator[None]:
    """Install a policy in the cluster that rejects changes of a namespace."""
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["UPDATE"],
        "resources": ["namespaces"],
    }
    policy = {
        "metadata": {"name": f"frozen-{name}"},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [
                {"expression": f"object.metadata.name != '{name}'", "message": "it is frozen"}
            ],
        },
    }
    binding = {
        "metadata": {"name": f"frozen-{name}"},
        "spec": {"policyName": f"frozen-{name}", "validationActions": ["Deny"]},
    }
    kinds = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    for kind, body in zip(kinds, (policy, binding), strict=True):
        kubernetes.ask("POST", collection_path(kind), body)
    try:
        for number in (0, 1):
            wait_until(lambda number=number: not _changes(kubernetes, name, number))  # type: ignore[misc]
        yield
    finally:
        for kind in kinds:
            kubernetes.ask("DELETE", f"{collection_path(kind)}/frozen-{name}")
        for number in (0, 1):
            wait_until(lambda number=number: _changes(kubernetes, name, number))  # type: ignore[misc]


def _changes(kubernetes: OwnCluster, name: str, number: int) -> bool:
    path = f"/api/v1/namespaces/{name}?dryRun=All"
    try:
        kubernetes.call(
            kubernetes.request(
                "PATCH", path, {"metadata": {"annotations": {"x": "y"}}}, number=number
            )
        )
    except RequestError:
        return False
    return True


def content_of(manifest: dict[str, Any]) -> dict[str, Any]:
    labels = manifest["metadata"].get("labels")
    return {k: v for k, v in manifest.items() if k not in {"metadata", "status"}} | {"l": labels}


async def has_uid(store: Store, name: str, uid: str) -> bool:
    inside = await store.projects.namespaces(project_ids=["p-shop"])
    return (name, uid) in {(one.namespace, one.uid) for one in inside}
