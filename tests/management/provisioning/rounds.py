"""Long rounds, by hand: ``.venv/bin/pytest -s tests/management/provisioning/rounds.py``.

They print the figures that docs/decisions/0063-following-ordered-clusters.md quotes.
"""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from store.interfaces import Store
from tests.management.provisioning.running import running
from tests.management.provisioning.test_provisioner import await_nothing_left
from tests.support.capi.management_cluster import CREATION_SECONDS, ManagementCluster
from tests.support.capi.standin_kinds import INFRASTRUCTURE, NAMESPACE
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(3600)

ROUNDS, ORDERS, MACHINES = 20, 100, 10
KEPT_SECONDS = 330.0
WAITS = (0.0, 1.0, 3.0, 8.0)
REST_SECONDS = 300.0


async def test_rounds_of_deletion_leave_nothing(
    store: Store, management_cluster: ManagementCluster
) -> None:
    processes: set[int] = set()
    async with running(store, management_cluster) as one:
        for number in range(ROUNDS):
            order = await one.order(f"round-{number}", workers=1)
            wait = WAITS[number % 5] if number % 5 < len(WAITS) else None
            if wait is None:
                await one.await_state(order.id, "ready")
            else:
                await asyncio.sleep(wait)  # The subject of the test.
            processes |= management_cluster.created_processes().keys()
            await store.orders.delete_requested(order.id, "delete")
            seconds = await one.await_gone(order.id)
            await await_nothing_left(one, order.id)
            print(
                f"deleted {'when ready' if wait is None else f'after {wait:g} s'}: {seconds:.1f} s"
            )
    print(f"{len(processes)} processes were seen, and each has ended before the next round")


async def test_kept_cluster_is_not_imported_again(
    store: Store, management_cluster: ManagementCluster
) -> None:
    async with running(store, management_cluster) as one:
        order = await one.order("kept", workers=1)
        await one.await_state(order.id, "ready")
        before = (management_cluster.cluster("kept") or {})["metadata"]
        await store.orders.delete_requested(order.id, "keep")
        ends = asyncio.get_running_loop().time() + KEPT_SECONDS

        async def left() -> bool:
            return await store.clusters.get(order.id) is None

        await eventually(left, CREATION_SECONDS, "Sekisho to leave the cluster")
        looks = 0
        while asyncio.get_running_loop().time() < ends:
            assert [found.name for found in await store.clusters.list_all()] == ["mgmt"]
            looks += 1
            await asyncio.sleep(1)
        after = (management_cluster.cluster("kept") or {})["metadata"]
        same = ("uid", "generation", "labels", "annotations")
        assert {name: before.get(name) for name in same} == {name: after.get(name) for name in same}
        print(f"kept: not imported in {looks} looks over {KEPT_SECONDS:g} s")


async def test_many_orders_take_little_memory_and_few_calls(
    store: Store, management_cluster: ManagementCluster
) -> None:
    async with running(store, management_cluster) as one:
        first = await one.order("first-of-many", variables={"fail": "no"})
        await one.await_state(first.id, "provisioning")
        before = resident()
        for number in range(ORDERS):
            await one.order(f"many-{number}", workers=0, variables={"fail": "no"})
        for number in range(ORDERS):
            machines = [machine(f"many-{number}", index) for index in range(MACHINES)]
            await asyncio.to_thread(one.engine.apply, machines)

        async def counted() -> bool:
            orders = await store.orders.of_management(one.cluster.id)
            return sum(order.machines for order in orders) >= ORDERS * MACHINES

        await eventually(counted, CREATION_SECONDS * 5, "all machines")
        after = resident()
        print(f"{ORDERS} orders with {MACHINES} machines: {(after - before) / 2**20:.1f} MiB more")
        assert one.provisioners is not None
        (provisioner,) = one.provisioners.running
        calls = provisioner.calls
        await asyncio.sleep(REST_SECONDS)  # The subject of the test.
        print(f"{provisioner.calls - calls} lists and watches in {REST_SECONDS:g} s at rest")


def machine(cluster: str, index: int) -> dict[str, Any]:
    """Return a Machine that waits for its infrastructure."""
    return {
        "apiVersion": "cluster.x-k8s.io/v1beta2",
        "kind": "Machine",
        "metadata": {
            "name": f"{cluster}-{index}",
            "namespace": NAMESPACE,
            "labels": {"cluster.x-k8s.io/cluster-name": cluster},
        },
        "spec": {
            "clusterName": cluster,
            "version": "v1.36.3",
            "bootstrap": {"dataSecretName": "none"},
            "infrastructureRef": {
                "apiGroup": INFRASTRUCTURE,
                "kind": "ProcessMachine",
                "name": f"{cluster}-{index}",
            },
        },
    }


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
