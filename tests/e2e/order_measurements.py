"""Figures of orders on a whole server, by hand.

``.venv/bin/pytest -s tests/e2e/order_measurements.py`` prints what docs/performance.md quotes. It
takes twenty minutes, and is no test in CI.
"""

import asyncio
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from management.identity.users import random_id
from store.database import SqlStore, open_store
from store.encryption import Keyring, generate_key
from store.order_records import Order, OrderLimits, WantedCluster
from tests.e2e.ordering import ordering
from tests.management.provisioning.rounds import MACHINES, ORDERS, machine
from tests.proxy.cli.verbs.conftest import World
from tests.support.capi.management_cluster import CREATION_SECONDS, ManagementCluster
from tests.support.capi.standin_kinds import CLASS, VERSIONS
from tests.support.kubernetes import Kubernetes
from tests.support.sekisho import Sekisho
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(3600)

SETTLE_SECONDS, REST_SECONDS, OTHER_SECONDS, FROZEN_SECONDS = 30.0, 300.0, 150.0, 30.0
APPLIED = 200
"""Machines that one kubectl applies."""

RATE = 20.0
"""Requests per second through the gate."""


KEYS = generate_key()


@pytest.fixture
def on_postgresql(
    management_cluster: ManagementCluster, postgres_database: str, tmp_path: Path
) -> Iterator[World]:
    """A server with a management cluster, and its store in PostgreSQL."""
    settings = {
        "SEKISHO_STORE__URL": postgres_database,
        "SEKISHO_STORE__ENCRYPTION_KEYS": KEYS,
    }
    with ordering(management_cluster, tmp_path, **settings) as world:
        yield world


@pytest.fixture
def beside_another(
    management_cluster: ManagementCluster, kubernetes: Kubernetes, tmp_path: Path
) -> Iterator[World]:
    """A server with a management cluster, and with another cluster."""
    with ordering(management_cluster, tmp_path) as world:
        kubeconfig = str(kubernetes.admin_kubeconfig)
        world.of("root").run("cluster", "import", "other", "--kubeconfig", kubeconfig)
        yield world


async def test_hundred_orders_at_rest(
    on_postgresql: World, management_cluster: ManagementCluster, postgres_database: str
) -> None:
    server = on_postgresql.server
    rest = Rest(management_cluster, server, postgres_database)
    await rest.measure("no orders", OTHER_SECONDS)
    before = resident(server)
    # Closed before the measurement: each open store probes its feed of changes 135 times a minute.
    store = await open_store(postgres_database, Keyring.parse(KEYS))
    await place(store, on_postgresql, ORDERS)
    print(f"server: {(resident(server) - before) / 2**20:.1f} MiB more RSS with orders")
    machines = [
        machine(f"many-{number}", index) for number in range(ORDERS) for index in range(MACHINES)
    ]
    for first in range(0, len(machines), APPLIED):
        await asyncio.to_thread(management_cluster.apply, machines[first : first + APPLIED])
    await eventually(lambda: counted(store), CREATION_SECONDS * 5, "all machines")
    await store.close()
    print(f"server: {(resident(server) - before) / 2**20:.1f} MiB more RSS with machines")
    await rest.measure(f"{ORDERS} orders")
    print(f"server: {(resident(server) - before) / 2**20:.1f} MiB more RSS at rest")
    await asyncio.to_thread(server.stop)
    await rest.measure("Sekisho stopped", OTHER_SECONDS, is_running=False)
    await asyncio.to_thread(server.start)


async def test_gate_traffic_while_the_engine_is_frozen(
    beside_another: World, management_cluster: ManagementCluster
) -> None:
    server = beside_another.server
    keys = Keyring.parse((server.folder / "data/encryption.key").read_text().strip())
    store = await open_store(f"sqlite:///{server.folder}/data/sekisho.db", keys)
    await place(store, beside_another, 20)
    traffic = Traffic(server, await asyncio.to_thread(server.token, "root"))
    await traffic.measure("before")
    local, core = management_cluster.local, management_cluster.core_manager
    for name, freeze, thaw in (
        ("API server frozen", local.pause, local.resume),
        ("core manager frozen", core.pause, core.resume),
    ):
        freeze()
        try:
            await traffic.measure(name)
        finally:
            thaw()
        await traffic.measure(f"after: {name}")
    await store.close()


@dataclass
class Rest:
    """Reads what a server at rest costs."""

    cluster: ManagementCluster
    server: Sekisho
    database: str

    async def measure(
        self, name: str, seconds: float = REST_SECONDS, *, is_running: bool = True
    ) -> None:
        """Print requests, CPU, and transactions per minute."""
        await asyncio.sleep(SETTLE_SECONDS)
        before = await self._read(is_running=is_running)
        await asyncio.sleep(seconds)
        after = await self._read(is_running=is_running)
        minutes = seconds / 60
        requests = after[0] - before[0]
        verbs: Counter[str] = Counter()
        for (verb, _), count in requests.items():
            verbs[verb] += count
        shown = ", ".join(f"{verb} {count / minutes:.1f}" for verb, count in verbs.most_common())
        print(f"{name}: requests per minute: {shown}")
        for (verb, resource), count in requests.most_common(25):
            print(f"    {verb} {resource}: {count / minutes:.1f}")
        cpu, transactions = after[1] - before[1], after[2] - before[2]
        print(
            f"{name}: {cpu / minutes * 1000:.0f} ms of CPU, {transactions / minutes:.0f} "
            "transactions per minute"
        )

    async def _read(self, *, is_running: bool) -> tuple[Counter[tuple[str, str]], float, int]:
        text = await asyncio.to_thread(self.cluster.kubectl, "get", "--raw", "/metrics")
        requests: Counter[tuple[str, str]] = Counter()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == "apiserver_request_total":
                    labels = sample.labels
                    requests[labels["verb"], labels["resource"]] += int(sample.value)
        connection = await asyncpg.connect(self.database)
        query = (
            "SELECT xact_commit + xact_rollback FROM pg_stat_database "
            "WHERE datname = current_database()"
        )
        transactions = int(await connection.fetchval(query))
        await connection.close()
        return requests, cpu_seconds(self.server) if is_running else 0.0, transactions


@dataclass
class Traffic:
    """Sends requests through the gate to another cluster, at a fixed rate."""

    server: Sekisho
    token: str

    async def measure(self, name: str) -> None:
        """Print the latencies and errors of requests for some seconds."""
        latencies: list[float] = []
        errors: list[str] = []
        url = f"{self.server.url}/k8s/clusters/other/api/v1/namespaces/default/configmaps"
        headers = {"Authorization": f"Bearer {self.token}"}

        async def one(session: aiohttp.ClientSession) -> None:
            began = time.monotonic()
            try:
                async with session.get(url, headers=headers, ssl=False) as response:
                    await response.read()
                    if response.status != 200:
                        errors.append(str(response.status))
            except (aiohttp.ClientError, TimeoutError) as exc:
                errors.append(repr(exc))
            latencies.append(time.monotonic() - began)

        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            for _ in range(int(FROZEN_SECONDS * RATE)):
                group.create_task(one(session))
                await asyncio.sleep(1 / RATE)
        cuts = statistics.quantiles(latencies, n=100)
        shown = ", ".join(f"p{n} {cuts[n - 1] * 1000:.0f} ms" for n in (50, 90, 99))
        print(f"{name}: {len(latencies)} requests, {len(errors)} errors, {shown}", set(errors))


async def place(store: SqlStore, world: World, count: int) -> None:
    """Store orders of clusters that the provider refuses to make."""
    (management,) = await store.management_clusters.list_all()
    now = datetime.now(UTC)
    wanted = WantedCluster(CLASS, VERSIONS[0], variables={"fail": "no"})
    known: dict[str, Any] = {"management_id": management.cluster_id, "wanted": wanted}
    known |= {"owner_id": world.users["alice"], "user_name": "alice"}
    known |= {"created_at": now, "state_since": now}
    for number in range(count):
        name = f"many-{number}"
        order = Order(id=random_id("c"), name=name, engine_name=name, **known)
        await store.orders.create(order, OrderLimits())
    await eventually(in_progress(store, count), CREATION_SECONDS * 5, "orders in progress")


def in_progress(store: SqlStore, count: int) -> Callable[[], Any]:
    """Return a check whether the engine makes so many clusters."""

    async def check() -> bool:
        found = await store.orders.list_all()
        return sum(one.state == "provisioning" for one in found) >= count

    return check


async def counted(store: SqlStore) -> bool:
    """Return whether all machines are known."""
    return sum(one.machines for one in await store.orders.list_all()) >= ORDERS * MACHINES


def resident(server: Sekisho) -> int:
    """Return the resident memory of the server in bytes."""
    assert server.process is not None
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(server: Sekisho) -> float:
    """Return the CPU time of the server."""
    assert server.process is not None
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
