"""One provisioner without the controllers of a replica, which use the store as well."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, event

from management.kubernetes.client import ClusterClient
from management.kubernetes.cluster_client import endpoint_of
from management.kubernetes.endpoint import ClusterCredential
from management.provisioning.agent_install import AgentInstaller, AgentSource
from management.provisioning.importing import ClusterImporter
from management.provisioning.provisioner import Provisioner
from management.provisioning.reporting import Reports
from store.interfaces import Store
from store.order_records import Order, OrderState
from store.records import Cluster
from tests.management.provisioning.running import Running, enabled
from tests.support.addresses import LOOPBACK_ALLOWED
from tests.support.capi.management_cluster import CREATION_SECONDS, ManagementCluster
from tests.support.waiting import eventually


@dataclass
class Clock:
    """The time that a provisioner reads."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Followed:
    """A provisioner beside what it works with."""

    one: Running
    provisioner: Provisioner
    clock: Clock = field(default_factory=Clock)

    async def settled(self, expected: dict[str, OrderState]) -> None:
        """Wait until orders have their states, and no act runs."""
        found: dict[str, Order] = {}

        async def done() -> bool:
            nonlocal found
            found = {each.id: each for each in await self.one.store.orders.of_management(self.here)}
            return {key: each.state for key, each in found.items()} == expected

        await eventually(done, CREATION_SECONDS, lambda: str(found))

    async def is_quiet(self) -> bool:
        """Return whether a pass does not use the store."""
        with statements() as found:
            await self.provisioner.compare()
        return not found

    @property
    def here(self) -> str:
        return self.one.cluster.id


@asynccontextmanager
async def followed(
    store: Store, engine: ManagementCluster, cluster: Cluster | None = None
) -> AsyncIterator[Followed]:
    """Run one provisioner, of a ``cluster`` that is a management cluster already or is made one.

    At the end, its Clusters are deleted.
    """
    cluster = cluster or await enabled(store, engine)
    management = await store.management_clusters.get(cluster.id)
    assert management is not None
    agents = AgentInstaller(store, AgentSource("https://sekisho.example"), LOOPBACK_ALLOWED)
    clock = Clock()
    credential = ClusterCredential(token=management.token)
    try:
        async with ClusterClient(endpoint_of(cluster), credential) as client:
            provisioner = Provisioner(
                store,
                cluster,
                management,
                client,
                ClusterImporter(store, agents, LOOPBACK_ALLOWED),
                is_leader=lambda: True,
                reports=Reports(),
                now=clock,
            )
            tasks = [
                asyncio.create_task(provisioner.run()),
                asyncio.create_task(pass_on(store, provisioner)),
            ]
            yield Followed(Running(store, cluster, engine), provisioner, clock)
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
    finally:
        await asyncio.to_thread(engine.delete_all)


async def pass_on(store: Store, provisioner: Provisioner) -> None:
    """Send a provisioner the changes of its store."""
    async with store.changes.subscribe() as changes:
        async for change in changes:
            provisioner.on_store_change(change)


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the statements of all databases."""
    found: list[str] = []

    def note(*values: Any) -> None:
        found.append(values[2])

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)
