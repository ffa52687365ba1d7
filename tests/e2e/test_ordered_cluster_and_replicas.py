"""A cluster is ordered, entered, and deleted, although the leading replica is killed on the way."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from store.database import open_store
from store.encryption import Keyring
from store.interfaces import Store
from store.order_records import Order, OrderState, Pool
from tests.management.provisioning.running import Running, enabled
from tests.management.provisioning.test_provisioner import await_nothing_left
from tests.support.addresses import LOOPBACK_ALLOWED
from tests.support.capi.management_cluster import CREATION_SECONDS, ManagementCluster
from tests.support.kubernetes import kubectl
from tests.support.sekisho import Sekisho, free_port, make_sekisho
from tests.support.waiting import eventually, wait_until

pytestmark = pytest.mark.timeout(900)

KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
CALLED = "killed"


def replicas_on(database: str, folder: Path) -> list[Sekisho]:
    """Return two replicas that are not started."""
    made = []
    for number in range(2):
        (folder / str(number)).mkdir()
        extra = f'store: {{url: "{database}", encryption_keys: ["{KEY}"]}}\n'
        made.append(make_sekisho(folder / str(number), (free_port(), free_port()), extra))
    return made


@asynccontextmanager
async def opened(database: str) -> AsyncIterator[Store]:
    store = await open_store(database, Keyring.parse(KEY), addresses=LOOPBACK_ALLOWED)
    try:
        yield store
    finally:
        await store.close()


def leads(replica: Sekisho) -> bool:
    """Return whether a replica leads the management cluster."""
    return replica.metric('sekisho_engine_up{management="mgmt"}') == 1


def kill_leader(replicas: list[Sekisho]) -> None:
    """Kill the replica that leads, wait until the other one does, and start it again."""
    wait_until(lambda: any(map(leads, replicas)), 30, "a leader")
    leader = next(one for one in replicas if leads(one))
    other = next(one for one in replicas if one is not leader)
    assert leader.process is not None
    leader.process.send_signal(signal.SIGKILL)
    leader.process.wait(60)
    wait_until(lambda: leads(other), 30, "another leader")
    leader.start()


async def test_order_goes_on_when_the_leading_replica_is_killed(
    management_cluster: ManagementCluster, postgres_database: str, tmp_path: Path
) -> None:
    management = management_cluster
    replicas = replicas_on(postgres_database, tmp_path)
    alice = await asyncio.to_thread(replicas[0].create_user, "alice")
    try:
        async with opened(postgres_database) as store:
            cluster = await enabled(store, management)
            await asyncio.gather(*(asyncio.to_thread(one.start) for one in replicas))
            one = Running(store, cluster, management)
            order = await one.order(CALLED, workers=1, owner_id=alice)
            for state in ("accepted", "provisioning"), ("initialized", "importing"):
                await reached(one, order, *state)
                await asyncio.to_thread(kill_leader, replicas)
            await one.await_state(order.id, "ready")
            seen = await asyncio.to_thread(nodes, replicas[0])
            assert len(seen) == 1, seen
            await one.change(order.id, pools=(Pool("workers", "default", 2),))
            await reached(one, order, "updating")
            await asyncio.to_thread(kill_leader, replicas)
            await eventually(
                lambda: asyncio.to_thread(lambda: len(nodes(replicas[1])) == 2),
                CREATION_SECONDS,
                "two nodes",
            )
            assert await asyncio.to_thread(made_once, management, store_id=order.id)
            await store.orders.delete_requested(order.id, "delete")
            await asyncio.to_thread(kill_leader, replicas)
            await one.await_gone(order.id)
            await await_nothing_left(one, order.id)
    finally:
        for replica in replicas:
            if replica.process is not None:
                await asyncio.to_thread(replica.stop)
        await asyncio.to_thread(management.delete_all)


async def reached(one: Running, order: Order, *states: OrderState) -> None:
    """Wait until the order has or had one of the states: it may be further already."""
    later: tuple[OrderState, ...] = ("initialized", "importing", "ready", "updating")
    await one.await_state(order.id, *states, *later)


def nodes(server: Sekisho) -> list[str]:
    """Return the nodes that alice sees through the gate."""
    config = server.kubeconfig("alice", CALLED)
    done = kubectl(config, "get", "nodes", "-o", "name")
    return done.stdout.split()


def made_once(management: ManagementCluster, *, store_id: str) -> bool:
    """Return whether the order has one Cluster, with its label."""
    listed = json.loads(management.kubectl("get", "clusters", "-o", "json"))["items"]
    return [one["metadata"]["labels"]["sekisho.io/cluster"] for one in listed] == [store_id]
