"""What it takes to keep clusters as they shall be: ``python -m bench.controllers``.

One real cluster with as many projects and namespaces as asked for, kept by a real keeper; and what
one comparison of such a cluster costs where nothing is to be done, which is what each change in it
costs. Prints seconds, writes and calls; needs what ``make demo`` needs.
"""

import argparse
import asyncio
import resource
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from management.cluster_records import controller_client
from management.clusters import ClusterService
from management.controllers.keeper import Keeper
from management.downstream.objects import PROJECT_LABEL, collection_path
from management.import_kubeconfig import from_kubeconfig
from management.users import new_user
from management.wanted.difference import difference, key_of, labelled
from management.wanted.namespaces import in_namespaces
from management.wanted.roles import cluster_wide
from management.wanted.snapshot import take_snapshot
from proxy.demo.downstream import Downstream
from store.access_records import Binding, Project, ProjectNamespace
from store.database import open_store
from store.encryption import Keyring, generate_key
from store.interfaces import Cluster, Store


async def main(projects: int, namespaces: int) -> None:
    """Measure, and print."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        downstream = await stack.enter_async_context(Downstream(folder / "cluster"))
        store = await open_store(f"sqlite:///{folder}/store.db", Keyring.parse(generate_key()))
        stack.push_async_callback(store.close)
        access = from_kubeconfig(downstream.admin_kubeconfig)
        imported = await ClusterService(store).import_cluster(
            "bench", access.endpoint, access.credential
        )
        cluster = imported.cluster
        assert cluster is not None
        await _fill(store, cluster, downstream, projects, namespaces)
        await _keep(store, cluster)
        await _compare(store, cluster)


async def _fill(
    store: Store, cluster: Cluster, downstream: Downstream, projects: int, namespaces: int
) -> None:
    """Projects with three people each, and their namespaces, as if they had been there for long."""
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
            *(_namespace(store, downstream, project, f"n-{p}-{n}") for n in range(namespaces))
        )


async def _namespace(store: Store, downstream: Downstream, project: Project, name: str) -> None:
    body = {"metadata": {"name": name, "labels": {PROJECT_LABEL: project.id}}}
    made = await downstream.request("POST", collection_path("Namespace"), body)
    uid = made["metadata"]["uid"]
    await store.projects.put_namespace(
        ProjectNamespace(project.cluster_id, name, uid, project.id, project.id)
    )


async def _keep(store: Store, cluster: Cluster) -> None:
    """From nothing to as it shall be, and again by a keeper that finds it so."""
    for word in ("from nothing", "found as it shall be"):
        async with controller_client(cluster) as client:
            keeper = Keeper(store, cluster, client, lambda: True)
            began, cpu = time.monotonic(), _cpu()
            task = asyncio.create_task(keeper.run())
            await keeper.settled.wait()
            seconds, spent = time.monotonic() - began, _cpu() - cpu
            print(
                f"{word}: {seconds:.1f} s, {spent:.1f} s of CPU, {keeper.writes} writes, "
                f"{keeper.calls} calls"
            )
            before = keeper.calls
            await asyncio.sleep(5)
            print(f"at rest, in 5 s: {keeper.calls - before} calls")
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _compare(store: Store, cluster: Cluster) -> None:
    """One reading of the store, and one comparison of everything with everything."""
    cpu = _cpu()
    snapshot = await take_snapshot(store, cluster)
    print(f"reading the store: {(_cpu() - cpu) * 1000:.0f} ms of CPU")
    wanted = labelled([*cluster_wide(snapshot), *in_namespaces(snapshot)], cluster.id)
    observed = {key_of(one): one for one in wanted}
    cpu = _cpu()
    wanted = labelled([*cluster_wide(snapshot), *in_namespaces(snapshot)], cluster.id)
    changes = difference(wanted, observed, cluster.id)
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
