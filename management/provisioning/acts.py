"""The acts by which a provisioner takes an order on: one method for each step."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from config.loggers import get_logger
from management.controllers.leader_election import Leadership
from management.kubernetes.client import ClusterClient
from management.kubernetes.manifests import Manifest
from management.provisioning.deletion import OrderEnding, live_cluster, own_live_cluster
from management.provisioning.engine import CLUSTERS, engine_path, manifest_of
from management.provisioning.engine_errors import ForeignCluster
from management.provisioning.follower import Follower
from management.provisioning.importing import ClusterImporter
from management.provisioning.observed import ObservedCluster, observed_cluster
from management.provisioning.reporting import Reports
from management.provisioning.steps import Step, why_foreign
from store.interfaces import Store
from store.order_records import ManagementCluster, Order

_LOG = get_logger(__name__)

MOVED = (
    "The Cluster is not in the management cluster any longer, but its API server responds, or it "
    "was paused: it was moved, or a backup was restored. Attach the order to the Cluster "
    "where it is now."
)

WRITTEN_SECONDS = 0.5
"""Pause after a write, until the watch has reported it."""


@dataclass(frozen=True, slots=True)
class Acts:
    """The acts for the orders of one management cluster.

    ``put`` takes a Cluster that was written, before the watch reports it.
    """

    store: Store
    client: ClusterClient
    management: ManagementCluster
    importer: ClusterImporter
    ending: OrderEnding
    leadership: Leadership
    reports: Reports
    put: Callable[[Manifest], None]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def run(
        self, step: Step, order: Order, cluster: ObservedCluster | None, follower: Follower
    ) -> None:
        """Do one step.

        Raises:
            ForeignCluster: the Cluster is not the order's.
            ClusterApiError, ManagementError, StoreError: it failed, and can be repeated.
        """
        match step:
            case "apply":
                await self._apply(order, cluster)
                await self._ensure_rights(order, follower)
            case "import":
                await self._ensure_rights(order, follower)
                await self._import(order)
            case "delete":
                assert cluster is not None, "there is a Cluster to delete"
                await self.ending.delete(self.client, order, cluster)
                await asyncio.sleep(WRITTEN_SECONDS)
            case "forget":
                await self._forget(order)
            case "vanished":
                await self._vanished(order)
            case "release":
                await self.ending.shut_gate(order)
                await self.ending.drop_rights(order)
                follower.has_rights, follower.left = False, True

    async def _apply(self, order: Order, cluster: ObservedCluster | None) -> None:
        """Write the order's Cluster. One that exists is written only if it is the order's."""
        namespace = self.management.namespace
        is_new = order.engine_uid is None
        if is_new and cluster is None:
            # Made by this replica a moment ago, or by another one that ended then.
            cluster = await live_cluster(self.client, namespace, order)
        if cluster is not None and (reason := why_foreign(order, cluster)):
            raise ForeignCluster(reason)
        current = await self.store.orders.get(order.id)
        if current is None or current.is_ending or current.revision != order.revision:
            return
        self.leadership.require()
        # The first write takes no field over from another manager.
        path = engine_path(CLUSTERS, namespace, order.engine_name)
        written = await self.client.apply(path, manifest_of(order, namespace), force=not is_new)
        self.put(written)
        if is_new:
            await self.store.orders.observe(order.id, engine_uid=observed_cluster(written).uid)
            self.reached(order, "accepted")

    async def _import(self, order: Order) -> None:
        self.leadership.require()
        await self.importer.run(self.client, self.management, order)
        current = await self.store.orders.get(order.id)
        if current is None or current.is_ending:
            await self.ending.shut_gate(order)
        elif order.imported_at is None:
            await self.store.orders.observe(order.id, imported_at=self.now())
            self.reached(order, "ready")
            _LOG.info("cluster of an order imported", cluster=order.name)

    async def _ensure_rights(self, order: Order, follower: Follower) -> None:
        if not follower.has_rights:
            await self.ending.grant_rights(order)
            follower.has_rights = True

    async def _forget(self, order: Order) -> None:
        """Forget an order whose Cluster is gone. One that was written a moment ago is deleted."""
        found = await own_live_cluster(self.client, self.management.namespace, order)
        if found is None or order.adopted:
            await self._end(order, "cluster.gone")
        elif not order.release:
            self.leadership.require()
            await self.ending.delete(self.client, order, found)
            await asyncio.sleep(WRITTEN_SECONDS)

    async def _vanished(self, order: Order) -> None:
        """End an order whose Cluster was deleted without Sekisho.

        A Cluster that was moved to another management cluster, or lost by a restored backup, has
        machines that still cost money: while its API server responds, the order is kept in sight.
        """
        if await live_cluster(self.client, self.management.namespace, order) is not None:
            await asyncio.sleep(WRITTEN_SECONDS)  # The watch has not reported it yet.
            return
        if order.state in {"paused", "foreign"} or await self.ending.responds(order):
            raise ForeignCluster(MOVED)
        _LOG.warning("cluster of an order vanished", cluster=order.name)
        await self._end(order, "cluster.vanished")

    async def _end(self, order: Order, action: str) -> None:
        members = await self.store.bindings.in_cluster(order.id)
        self.leadership.require()
        if not await self.ending.forget(order):
            return  # It is recorded already, where it was forgotten.
        holders = ", ".join(sorted({one.name for one in members}))
        facts = {"engine_uid": order.engine_uid or "", "members": holders}
        self.reports.record(action, order, facts)
        if order.deleting_since is not None:
            seconds = (self.now() - order.deleting_since).total_seconds()
            self.reports.step(order.wanted.class_name, "gone", max(seconds, 0.0))

    def reached(self, order: Order, step: str) -> None:
        """Report how long after the order a step was reached."""
        seconds = (self.now() - order.created_at).total_seconds()
        self.reports.step(order.wanted.class_name, step, max(seconds, 0.0))
