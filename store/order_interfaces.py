"""Protocols of the repositories of management clusters and orders. No SQL."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal, Protocol, Unpack

from store.order_records import (
    Infrastructure,
    ManagementCluster,
    Order,
    OrderLimits,
    OrderObservation,
    OrderSummary,
)


class ManagementClusters(Protocol):
    """Clusters in which an engine makes clusters to order. Changes are announced as
    ``management-cluster``.
    """

    async def get(self, cluster_id: str) -> ManagementCluster | None:
        """Return the management cluster with that id."""

    async def list_all(self) -> Sequence[ManagementCluster]:
        """Return every management cluster, ordered by id."""

    async def put(
        self,
        management: ManagementCluster,
        *,
        revision: int | None = None,
        only_check: bool = False,
    ) -> ManagementCluster:
        """Store a management cluster, and return it with its new revision.

        With ``revision``, only the one that has it is replaced, and with 0 none is. ``only_check``:
        store nothing.

        Raises:
            RecordNotFound: the cluster does not exist, or with ``revision`` is no management
                cluster.
            StaleRevision: it has another revision.
            Conflict: the namespace changes while it has orders.
        """

    async def renew_token(self, cluster_id: str, token: str, expires_at: datetime) -> bool:
        """Store a new token. Return False if this is no management cluster."""

    async def delete(self, cluster_id: str) -> None:
        """Make it an ordinary cluster. Raises RecordNotFound, and Conflict if it has orders."""


class Orders(Protocol):
    """Orders of clusters. Changes are announced as ``order`` with the order's id."""

    async def create(self, order: Order, quotas: OrderLimits, *, only_check: bool = False) -> None:
        """Store a new order. ``quotas`` are the settings' limits. ``only_check``: store nothing.

        Names and limits are checked in the transaction that stores the order, over all replicas. A
        released order for the object of the engine that is adopted is forgotten, and one that has
        the name loses it.

        Raises:
            Conflict: a cluster or another order has the name, or the object of the engine.
            QuotaExceeded: the order exceeds a limit.
            RecordNotFound: the management cluster does not exist.
        """

    async def get(self, order_id: str) -> Order | None:
        """Return the order with that id."""

    async def by_name(self, name: str) -> Order | None:
        """Return the order with that name."""

    async def summary(self, order_id: str) -> OrderSummary | None:
        """Return the order with that id, without the values of its variables."""

    async def list_all(self) -> Sequence[OrderSummary]:
        """Return every order, ordered by name. Nothing is decrypted."""

    async def page(
        self,
        field: Literal["name", "id", "created_at"],
        *,
        descending: bool = False,
        after: tuple[str | datetime, str] | None = None,
        limit: int,
    ) -> Sequence[OrderSummary]:
        """Return a page of orders without a cluster's record, and without released ones.

        Parameters are those of :meth:`store.cluster_interfaces.Clusters.page`.
        """

    async def of_management(
        self, cluster_id: str, only: Collection[str] | None = None
    ) -> Sequence[Order]:
        """Return the orders in a management cluster, ordered by name.

        ``only``: those with these ids. No other one is decrypted.
        """

    async def replace(
        self,
        order: Order,
        *,
        revision: int,
        quotas: OrderLimits | None = None,
        only_check: bool = False,
        announced: OrderObservation | None = None,
        after: int = 0,
    ) -> Order:
        """Store ``order.wanted``, and nothing else of ``order``. Return the order as stored.

        ``quotas`` None: limits are not checked. ``only_check``: store nothing. ``announced`` is
        what users see of the order until a controller observes it again. The new revision is newer
        than ``after``, too.

        Raises:
            RecordNotFound: the order does not exist.
            StaleRevision: the order has another revision.
            Conflict: the order is being deleted or released.
            QuotaExceeded: the order exceeds a limit that it did not exceed before.
        """

    async def attach(
        self, attached: Order, *, revision: int, announced: OrderObservation | None = None
    ) -> Order:
        """Store ``management_id`` and ``engine_uid`` of an order whose object was moved.

        What is wanted and ``revision`` stay. ``announced`` is what users see of the order until a
        controller observes it again. Return the order as stored.

        Raises:
            RecordNotFound: the order or the management cluster does not exist.
            StaleRevision: the order has another revision.
            Conflict: the order or the management cluster is being removed, or another order has
                the object.
        """

    async def observe(
        self, order_id: str, *, revision: int | None = None, **seen: Unpack[OrderObservation]
    ) -> bool:
        """Store what was observed, without a change of ``revision``.

        With a ``revision`` that the order no longer has, its state and message stay: they were
        observed of what was wanted before.

        ``state_since`` becomes the database's time when ``state`` changes and it is left out. An
        order that is being deleted keeps a state of deletion. Nothing is written or announced
        where nothing differs. Return False if the order does not exist.
        """

    async def delete_requested(self, order_id: str, infrastructure: Infrastructure) -> Order:
        """Begin to delete or to release an order, and shut the gate of its cluster.

        Return the order as stored. A repeated request changes nothing.

        Raises:
            RecordNotFound: the order does not exist.
            Conflict: the other of both was requested before, or its cluster is a management
                cluster that has orders.
        """

    async def delete(self, order_id: str) -> bool:
        """Delete an order that is gone. Return False if it does not exist."""
