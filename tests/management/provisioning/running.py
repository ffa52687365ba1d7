"""Run provisioners in this process, on the session's management cluster."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from management.clusters.kubeconfig_import import from_kubeconfig
from management.clusters.service import ClusterService
from management.controllers.manager import ControllerManager
from management.identity.users import random_id
from management.provisioning.agent_install import AgentInstaller, AgentSource
from management.provisioning.importing import ClusterImporter
from management.provisioning.provisioners import Provisioners
from management.provisioning.setup import set_up
from store.interfaces import Store
from store.order_records import ManagementCluster as ManagementRecord
from store.order_records import Order, OrderLimits, OrderState, Pool, WantedCluster
from store.records import Cluster
from tests.management.conftest import user
from tests.support.addresses import LOOPBACK_ALLOWED
from tests.support.capi.management_cluster import CREATION_SECONDS, ManagementCluster
from tests.support.management_app import URL
from tests.support.waiting import eventually

UNLIMITED = OrderLimits(1000, 1000, 10_000)


@dataclass
class Running:
    """A store, its management cluster, and what was recorded and observed."""

    store: Store
    cluster: Cluster
    engine: ManagementCluster
    acts: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    steps: list[tuple[str, str, float]] = field(default_factory=list)
    provisioners: Provisioners | None = None

    async def order(self, name: str, *, workers: int | None = 1, **fields: Any) -> Order:
        """Store an order of the class ``standin`` for alice; ``workers`` None: without a pool."""
        variables = fields.pop("variables", {})
        wanted = WantedCluster(
            self.engine.class_name,
            self.engine.version,
            None,
            () if workers is None else (Pool("workers", "default", workers),),
            fields.pop("reach", "direct"),
            variables,
        )
        now = datetime.now(UTC)
        order = Order(
            id=random_id("c"),
            name=name,
            management_id=self.cluster.id,
            engine_name=name,
            wanted=wanted,
            owner_id=fields.pop("owner_id", user("alice").id),
            user_name="alice",
            created_at=now,
            state_since=now,
            **fields,
        )
        await self.store.orders.create(order, UNLIMITED)
        return order

    async def change(self, order_id: str, **wanted: Any) -> None:
        """Change what is wanted."""
        order = await self.read(order_id)
        changed = replace(order, wanted=replace(order.wanted, **wanted))
        await self.store.orders.replace(changed, revision=order.revision)

    async def read(self, order_id: str) -> Order:
        """Return the order, which must exist."""
        order = await self.store.orders.get(order_id)
        assert order is not None, f"the order {order_id} is gone"
        return order

    async def await_state(
        self, order_id: str, *states: OrderState, seconds: float = CREATION_SECONDS
    ) -> Order:
        """Wait until the order has one of the states."""
        last: Order | None = None

        async def reached() -> bool:
            nonlocal last
            last = await self.store.orders.get(order_id)
            return last is not None and last.state in states

        await eventually(reached, seconds, lambda: f"{states}: {last}")
        assert last is not None
        return last

    async def await_acts(self, *actions: str) -> None:
        """Wait until exactly these acts are recorded, which is after what they did."""

        def recorded() -> list[str]:
            return [action for action, *_ in self.acts]

        await eventually(lambda: recorded() == list(actions), what=lambda: f"{recorded()}")

    async def await_gone(self, order_id: str, seconds: float = CREATION_SECONDS) -> float:
        """Wait until nothing is stored about the order. Return the seconds that it took."""
        began = time.monotonic()
        last: Order | None = None

        async def gone() -> bool:
            nonlocal last
            last = await self.store.orders.get(order_id)
            return last is None

        await eventually(gone, seconds, lambda: f"{last} to be gone")
        assert await self.store.clusters.get(order_id) is None
        return time.monotonic() - began


@asynccontextmanager
async def running(store: Store, engine: ManagementCluster) -> AsyncIterator[Running]:
    """Make ``engine`` a management cluster of ``store``, and run the controllers of one replica.

    At the end, its Clusters are deleted.
    """
    cluster = await enabled(store, engine)
    try:
        async with replica(store, engine, cluster) as one:
            yield one
    finally:
        await asyncio.to_thread(engine.delete_all)


async def enabled(store: Store, engine: ManagementCluster) -> Cluster:
    """Import ``engine``, and make it a management cluster."""
    access = from_kubeconfig(engine.kubeconfig)
    endpoint = replace(access.endpoint, addresses=LOOPBACK_ALLOWED)
    service = ClusterService(store)
    imported = (await service.import_cluster("mgmt", endpoint, access.credential)).cluster
    assert imported is not None
    engine.forget_sekisho()
    token = await set_up(imported, engine.namespace, [engine.class_name], url=URL)
    await store.management_clusters.put(
        ManagementRecord(imported.id, engine.namespace, token.token, token.expires_at)
    )
    return imported


@asynccontextmanager
async def replica(
    store: Store, engine: ManagementCluster, cluster: Cluster
) -> AsyncIterator[Running]:
    """Run the controllers of one replica."""
    controllers = ControllerManager(store)
    agents = AgentInstaller(store, AgentSource("https://sekisho.example"), LOOPBACK_ALLOWED)
    acts: list[tuple[str, str, dict[str, str]]] = []
    steps: list[tuple[str, str, float]] = []
    provisioners = Provisioners(
        store,
        controllers.election,
        ClusterImporter(store, agents, LOOPBACK_ALLOWED),
        record=lambda action, order, facts: acts.append((action, order.id, dict(facts))),
        step=lambda *step: steps.append(step),
    )
    tasks = [
        asyncio.create_task(controllers.run()),
        asyncio.create_task(provisioners.run()),
    ]
    try:
        yield Running(store, cluster, engine, acts, steps, provisioners)
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
