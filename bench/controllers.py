"""Cost of keeping a cluster in the desired state: ``python -m bench.controllers``.

It runs a real reconciler for one real cluster with that many projects and namespaces. It also
measures one comparison of such a cluster without differences, which is the cost of each change in
it. It prints seconds, writes and calls, and needs what ``make demo`` needs.
"""

import argparse
import asyncio
import resource
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from config.address_policy import DEFAULT_POLICY
from management.clusters.address_consent import with_consent
from management.clusters.kubeconfig_import import from_kubeconfig
from management.clusters.service import ClusterService
from management.controllers.reconciler import ClusterReconciler
from management.desired_state.cluster_rbac import cluster_wide
from management.desired_state.diff import diff, key_of, with_cluster_label
from management.desired_state.namespace_objects import in_namespaces
from management.desired_state.snapshot import take_snapshot
from management.identity.users import new_user
from management.kubernetes.cluster_client import controller_client
from management.kubernetes.manifests import PROJECT_LABEL, collection_path
from proxy.demo.local_cluster import LocalCluster
from store.access_records import Binding, Project, ProjectNamespace
from store.database import open_store
from store.encryption import Keyring, generate_key
from store.interfaces import Store
from store.records import Cluster


async def main(projects: int, namespaces: int) -> None:
    """Measure and print."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        kubernetes = await stack.enter_async_context(LocalCluster(folder / "cluster"))
        store = await open_store(f"sqlite:///{folder}/store.db", Keyring.parse(generate_key()))
        stack.push_async_callback(store.close)
        access = from_kubeconfig(kubernetes.admin_kubeconfig)
        endpoint, _ = await with_consent(access.endpoint, DEFAULT_POLICY)
        imported = await ClusterService(store).import_cluster("bench", endpoint, access.credential)
        cluster = imported.cluster
        assert cluster is not None
        await _fill(store, cluster, kubernetes, projects, namespaces)
        await _keep(store, cluster)
        await _compare(store, cluster)


async def _fill(
    store: Store, cluster: Cluster, kubernetes: LocalCluster, projects: int, namespaces: int
) -> None:
    """Create projects with three users each, and their namespaces."""
    now = datetime.now(UTC)
    people = [new_user(f"user-{n}") for n in range(10)]
    for one in people:
        await store.users.create(one)
    for p in range(projects):
        project = Project(f"p-{p:010}", cluster.id, f"project-{p}", now, quota={"pods": "500"})
        await store.projects.create(project)
        for n, role in enumerate(("owner", "member", "read-only")):
            who = people[(p + n) % len(people)]
            await store.bindings.create(
                Binding(
                    f"b-{p:06}{n}",
                    f"project-{role}",
                    who.id,
                    None,
                    who.username,
                    now,
                    cluster.id,
                    project.id,
                )
            )
        await asyncio.gather(
            *(_namespace(store, kubernetes, project, f"n-{p}-{n}") for n in range(namespaces))
        )


async def _namespace(store: Store, kubernetes: LocalCluster, project: Project, name: str) -> None:
    body = {"metadata": {"name": name, "labels": {PROJECT_LABEL: project.id}}}
    made = await kubernetes.request("POST", collection_path("Namespace"), body)
    uid = made["metadata"]["uid"]
    await store.projects.put_namespace(
        ProjectNamespace(project.cluster_id, name, uid, project.id, project.id)
    )


async def _keep(store: Store, cluster: Cluster) -> None:
    """Reconcile from nothing, and again with a new reconciler that finds no differences."""
    for word in ("from nothing", "without differences"):
        async with controller_client(cluster) as client:
            reconciler = ClusterReconciler(store, cluster, client, lambda: True)
            began, cpu = time.monotonic(), _cpu()
            task = asyncio.create_task(reconciler.run())
            await reconciler.synced.wait()
            seconds, spent = time.monotonic() - began, _cpu() - cpu
            print(
                f"{word}: {seconds:.1f} s, {spent:.1f} s of CPU, {reconciler.writes} writes, "
                f"{reconciler.calls} calls"
            )
            before = reconciler.calls
            await asyncio.sleep(5)
            print(f"at rest, in 5 s: {reconciler.calls - before} calls")
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _compare(store: Store, cluster: Cluster) -> None:
    """Read the store once, and compare all objects once."""
    cpu = _cpu()
    snapshot = await take_snapshot(store, cluster)
    print(f"reading the store: {(_cpu() - cpu) * 1000:.0f} ms of CPU")
    wanted = with_cluster_label(
        [*cluster_wide(snapshot), *in_namespaces(snapshot, broken={})], cluster.id
    )
    observed = {key_of(one): one for one in wanted}
    cpu = _cpu()
    wanted = with_cluster_label(
        [*cluster_wide(snapshot), *in_namespaces(snapshot, broken={})], cluster.id
    )
    changes = diff(wanted, observed, cluster.id)
    print(
        f"comparing {len(wanted)} objects, {len(changes)} to change: "
        f"{(_cpu() - cpu) * 1000:.0f} ms of CPU"
    )


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, default=100)
    parser.add_argument("--namespaces", type=int, default=10, help="in each project")
    given = parser.parse_args()
    asyncio.run(main(given.projects, given.namespaces))
