"""Order clusters, and change orders: every check, up to the record in the store.

An order is checked against its class, by a dry run in the engine, and against the limits. Only then
is it stored, and the provisioner of its management cluster makes it. Where the engine is away, an
order of a known class is stored without the dry run: the engine may refuse it later.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime

from management.clusters.clock import utc_now
from management.errors import ManagementError
from management.identity.users import random_id
from management.kubernetes.client import ClusterClient
from management.kubernetes.errors import ClusterApiError
from management.kubernetes.validation import MalformedObject
from management.provisioning.class_catalog import ClassCatalog, EngineAway, engine_client
from management.provisioning.class_choice import Choice
from management.provisioning.classes import check_name, check_wanted
from management.provisioning.engine import CLUSTERS, UNREADABLE, engine_path, manifest_of
from management.provisioning.engine_errors import failure_of
from management.provisioning.observed import ObservedCluster, observed_cluster
from management.provisioning.states import announced
from store.errors import Conflict
from store.interfaces import Store
from store.order_records import ManagementCluster, Order, OrderLimits, WantedCluster
from store.records import Reach


class EngineRefused(ManagementError):
    """The engine's own sentence about what it refused. It may repeat values of variables."""


class EngineConflict(Conflict):
    """The engine's own sentence about a conflict. It may repeat values of variables, too."""


@dataclass(frozen=True, slots=True)
class Orderer:
    """The user who orders. ``roles`` are the ids of the global roles that they hold."""

    user_id: str
    name: str
    roles: Collection[str]


@dataclass(frozen=True, slots=True)
class OrderService:
    """Places and changes orders. ``limits`` are those of the settings.

    Methods raise, beside what they name:

        InvalidOrder, EngineRefused, QuotaExceeded: the order is not valid.
        EngineAway: it could not be checked now.
        Conflict: a name is taken, or the order's state does not permit it.
    """

    store: Store
    classes: ClassCatalog
    limits: OrderLimits
    now: Callable[[], datetime] = utc_now

    async def place(
        self,
        name: str,
        wanted: WantedCluster,
        choice: Choice,
        orderer: Orderer,
        *,
        dry_run: bool = False,
    ) -> Order:
        """Store an order, and return it. ``dry_run``: only check it, the engine's webhooks too."""
        check_name(name)
        check_wanted(wanted, choice.chosen)
        order = self._order(name, name, wanted, choice.management, orderer)
        await self.store.orders.create(order, self.limits, only_check=True)
        await self._check_in_engine(order, choice.management, must_respond=dry_run)
        if not dry_run:
            await self.store.orders.create(order, self.limits)
        return order

    async def adopt(
        self,
        name: str,
        engine_name: str,
        reach: Reach,
        management: ManagementCluster,
        orderer: Orderer,
    ) -> Order:
        """Store an order for a Cluster that exists, and that Sekisho will only read."""
        found = await find_cluster(self.store, management, engine_name)
        if found is None:
            raise no_cluster(engine_name, management)
        # One of a released order, or of an order that a restored database lost, may be adopted.
        ordered = found.order_id and await self.store.orders.get(found.order_id)
        if ordered and not ordered.release:
            raise Conflict(f'the Cluster "{engine_name}" is that of the order {ordered.name}')
        wanted = WantedCluster(found.class_name or "", found.version or "", reach=reach)
        order = self._order(name, engine_name, wanted, management, orderer)
        order = replace(order, adopted=True, engine_uid=found.uid)
        await self.store.orders.create(order, self.limits)
        return order

    async def change(
        self, order: Order, wanted: WantedCluster, choice: Choice, *, dry_run: bool = False
    ) -> Order:
        """Store what is wanted now, if the order has its revision still. Return the order.

        Raises:
            StaleRevision: the order was changed after it was read.
        """
        require_changeable(order)
        check_wanted(wanted, choice.chosen)
        changed = replace(order, wanted=wanted, revision=order.revision + 1)
        await self.store.orders.replace(
            changed, revision=order.revision, quotas=self.limits, only_check=True
        )
        written = await self._check_in_engine(changed, choice.management, must_respond=dry_run)
        if dry_run:
            return changed
        return await self.store.orders.replace(
            changed,
            revision=order.revision,
            quotas=self.limits,
            announced=announced(order, wanted),
            after=written,
        )

    def _order(
        self,
        name: str,
        engine_name: str,
        wanted: WantedCluster,
        management: ManagementCluster,
        orderer: Orderer,
    ) -> Order:
        now = self.now()
        return Order(
            id=random_id("c"),
            name=name,
            management_id=management.cluster_id,
            engine_name=engine_name,
            wanted=wanted,
            owner_id=orderer.user_id,
            user_name=orderer.name,
            created_at=now,
            state_since=now,
            message="The order is sent to the engine.",
        )

    async def _check_in_engine(
        self, order: Order, management: ManagementCluster, *, must_respond: bool
    ) -> int:
        """Send the order as a dry run. Without ``must_respond``, an engine that is away is passed.

        Return the revision that the Cluster has; 0: none is known. Raises EngineRefused,
        EngineAway, and Conflict.
        """
        try:
            return await self._dry_run(order, management)
        except EngineAway:
            if must_respond:
                raise
            return 0

    async def _dry_run(self, order: Order, management: ManagementCluster) -> int:
        path = engine_path(CLUSTERS, management.namespace, order.engine_name)
        try:
            async with await engine_client(self.store, management) as client:
                found = await _cluster_at(client, path)
                if found is not None and found.order_id != order.id:
                    raise Conflict(
                        f'another Cluster "{order.engine_name}" exists in the management cluster: '
                        "choose another name"
                    )
                await client.apply(path, manifest_of(order, management.namespace), dry_run=True)
                return (found.revision if found is not None else None) or 0
        except ClusterApiError as exc:
            raise _translated(exc) from exc


def require_changeable(order: Order) -> None:
    """Raise Conflict unless Sekisho may change the order's Cluster."""
    if order.adopted:
        raise Conflict(
            "the cluster was adopted: Sekisho does not change it; change it where it was made"
        )
    if order.is_ending:
        raise Conflict(f"the order of {order.name} is being removed")
    if order.state == "foreign":
        raise EngineConflict(f"Sekisho does not change it: {order.message}")
    if order.unreadable:
        raise Conflict(UNREADABLE)


async def find_cluster(
    store: Store, management: ManagementCluster, engine_name: str
) -> ObservedCluster | None:
    """Return a Cluster of a management cluster. Raises EngineAway, EngineRefused, and Conflict."""
    try:
        async with await engine_client(store, management) as client:
            return await _cluster_at(
                client, engine_path(CLUSTERS, management.namespace, engine_name)
            )
    except ClusterApiError as exc:
        raise _translated(exc) from exc


def no_cluster(engine_name: str, management: ManagementCluster) -> EngineRefused:
    """Return the error of a Cluster that does not exist."""
    return EngineRefused(
        f'there is no Cluster "{engine_name}" in the namespace "{management.namespace}" of the '
        "management cluster"
    )


async def _cluster_at(client: ClusterClient, path: str) -> ObservedCluster | None:
    found = await client.find(path)
    try:
        return None if found is None else observed_cluster(found)
    except MalformedObject as exc:
        raise EngineAway("The engine returned a Cluster that is not one.") from exc


def _translated(error: ClusterApiError) -> ManagementError | Conflict:
    """Return what a failed request means for the sender of an order."""
    failure = failure_of(error)
    if failure.outcome == "refused":
        return EngineRefused(failure.message)
    if failure.outcome == "foreign":
        return EngineConflict(failure.message)
    return EngineAway(failure.message)
