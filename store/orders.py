"""Orders of clusters, in SQL; the values of their variables are encrypted."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Literal, Unpack

from sqlalchemy import ColumnElement, delete, insert, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.cluster_names import (
    lock_orders,
    require_free_engine_name,
    require_free_name,
    require_no_orders,
    same_engine_name,
)
from store.connections import Database
from store.database_time import database_time
from store.encryption import Keyring
from store.errors import Conflict, RecordNotFound, StaleRevision
from store.keyset import Place, page_of
from store.management_clusters import find_management
from store.order_limits import require_within_limits
from store.order_observations import differences
from store.order_records import (
    Infrastructure,
    ManagementCluster,
    Order,
    OrderLimits,
    OrderObservation,
    OrderSummary,
)
from store.order_rows import (
    SUMMARY_COLUMNS,
    conditions_row,
    order_of,
    order_row,
    summary_of,
    wanted_row,
)
from store.order_summaries import find_summary
from store.pieces import in_pieces
from store.records import Change
from store.tables import clusters, is_storable, orders


class SqlOrders:
    """A :class:`store.order_interfaces.Orders`."""

    def __init__(self, connections: Database, keyring: Keyring) -> None:
        self._connections = connections
        self._keyring = keyring

    async def create(self, order: Order, quotas: OrderLimits, *, only_check: bool = False) -> None:
        """Store a new order. Raises Conflict, QuotaExceeded and RecordNotFound."""
        changes = () if only_check else (Change("order", order.id),)
        async with self._connections.write(*changes) as connection:
            await lock_orders(connection)
            management = await self._management(connection, order.management_id)
            await require_free_name(connection, order.id, order.name)
            if not order.adopted:
                await require_within_limits(connection, order, management, quotas)
            await require_free_engine_name(connection, order)
            if only_check:
                return
            await self._make_room(connection, order)
            await connection.execute(insert(orders).values(**order_row(order, self._keyring)))

    async def get(self, order_id: str) -> Order | None:
        """Return the order with that id."""
        return await self._one(orders.c.id, order_id)

    async def by_name(self, name: str) -> Order | None:
        """Return the order with that name."""
        return await self._one(orders.c.name, name)

    async def summary(self, order_id: str) -> OrderSummary | None:
        """Return the order with that id, without the values of its variables."""
        if not is_storable(order_id):
            return None
        async with self._connections.read() as connection:
            return await find_summary(connection, order_id)

    async def list_all(self) -> Sequence[OrderSummary]:
        """Return every order, ordered by name. Nothing is decrypted."""
        wanted = select(*SUMMARY_COLUMNS).order_by(orders.c.name)
        async with self._connections.read() as connection:
            rows = await connection.execute(wanted)
            return [summary_of(row) async for row in in_pieces(rows)]

    async def of_management(
        self, cluster_id: str, only: Collection[str] | None = None
    ) -> Sequence[Order]:
        """Return the orders in a management cluster, or those with some ids, ordered by name."""
        if not is_storable(cluster_id):
            return []
        wanted = select(orders).where(orders.c.management_id == cluster_id).order_by(orders.c.name)
        if only is not None:
            wanted = wanted.where(orders.c.id.in_([one for one in only if is_storable(one)]))
        async with self._connections.read() as connection:
            rows = await connection.execute(wanted)
            return [order_of(row, self._keyring) async for row in in_pieces(rows)]

    async def page(
        self,
        field: Literal["name", "id", "created_at"],
        *,
        descending: bool = False,
        after: Place | None = None,
        limit: int,
    ) -> Sequence[OrderSummary]:
        """Return at most ``limit`` orders without a cluster's record, beginning after a place."""
        if not all(is_storable(one) for one in after or () if isinstance(one, str)):
            return []
        pending = select(*SUMMARY_COLUMNS).where(
            orders.c.id.not_in(select(clusters.c.id)), orders.c.release.is_not(true())
        )
        async with self._connections.read() as connection:
            wanted = page_of(connection, pending, orders, field, descending=descending, after=after)
            rows = await connection.execute(wanted.limit(limit))
            return [summary_of(row) async for row in in_pieces(rows)]

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
        """Store ``order.wanted``. Raises RecordNotFound, StaleRevision, Conflict, QuotaExceeded."""
        changes = () if only_check else (Change("order", order.id),)
        async with self._connections.write(*changes) as connection:
            await lock_orders(connection)
            known = await self._changeable(connection, order.id, revision)
            changed = replace(
                known,
                wanted=order.wanted,
                unreadable="" if order.wanted.variables else known.unreadable,
                revision=max(revision, after) + 1,
            )
            if quotas is not None and not known.adopted:
                management = await self._management(connection, known.management_id)
                await require_within_limits(connection, changed, management, quotas, before=known)
            if only_check:
                return changed
            seen = differences(known, announced or {})
            if "state" in seen:
                seen["state_since"] = await database_time(connection)
            row = wanted_row(changed, self._keyring) | {"revision": changed.revision} | seen
            await connection.execute(update(orders).where(orders.c.id == order.id).values(**row))
        return replace(changed, **seen)

    async def attach(
        self, attached: Order, *, revision: int, announced: OrderObservation | None = None
    ) -> Order:
        """Attach an order to another object. Raises RecordNotFound, StaleRevision, Conflict."""
        place = {one: getattr(attached, one) for one in ("management_id", "engine_uid")}
        async with self._connections.write(Change("order", attached.id)) as connection:
            await lock_orders(connection)
            known = await self._changeable(connection, attached.id, revision)
            await self._management(connection, attached.management_id)
            row = {**(announced or {}), **place, "engine_away_since": None}
            row["state_since"] = await database_time(connection)
            changed = replace(known, **row)
            await require_free_engine_name(connection, changed)
            await self._make_room(connection, changed)
            await connection.execute(update(orders).where(orders.c.id == known.id).values(**row))
        return changed

    async def observe(
        self, order_id: str, *, revision: int | None = None, **seen: Unpack[OrderObservation]
    ) -> bool:
        """Store what was observed. Return False if the order does not exist."""
        known = await self.summary(order_id)
        if known is None:
            return False
        if not differences(known, seen, revision):
            return True
        async with self._connections.write(Change("order", order_id)) as connection:
            # Not the lock of names: neither names nor sizes change.
            known = await find_summary(connection, order_id, lock=True)
            if known is None:
                return False
            row = differences(known, seen, revision)
            if not row:
                return True
            if "state" in row and "state_since" not in seen:
                row["state_since"] = await database_time(connection)
            if "conditions" in row:
                row["conditions"] = conditions_row(row["conditions"])
            await connection.execute(update(orders).where(orders.c.id == order_id).values(**row))
        return True

    async def delete_requested(self, order_id: str, infrastructure: Infrastructure) -> Order:
        """Begin to delete or to release an order. Raises RecordNotFound and Conflict."""
        changes = (Change("order", order_id), Change("cluster", order_id))
        async with self._connections.write(*changes) as connection:
            await lock_orders(connection)
            known = await self._known(connection, order_id, lock=True)
            release = infrastructure == "keep"
            if known.is_ending:
                if known.release != release:
                    how = "released" if known.release else "deleted"
                    raise Conflict(f"the order of {known.name} is being {how} already")
                return known
            await require_no_orders(connection, order_id)
            now = await database_time(connection)
            changed = replace(
                known,
                state="released" if release else "deleting",
                state_since=now,
                message="",
                slow=False,
                deleting_since=None if release else now,
                release=release,
            )
            names = ("state", "state_since", "message", "slow", "deleting_since", "release")
            row = {name: getattr(changed, name) for name in names}
            await connection.execute(update(orders).where(orders.c.id == order_id).values(**row))
            shut = update(clusters).where(
                clusters.c.id == order_id, clusters.c.removing_since.is_(None)
            )
            await connection.execute(
                shut.values(removing_since=now, revision=clusters.c.revision + 1)
            )
        return changed

    async def delete(self, order_id: str) -> bool:
        """Delete an order that is gone. Return False if it does not exist."""
        if not is_storable(order_id):
            return False
        async with self._connections.write(Change("order", order_id)) as connection:
            result = await connection.execute(delete(orders).where(orders.c.id == order_id))
            return bool(result.rowcount)

    async def _one(self, column: ColumnElement[str], value: str) -> Order | None:
        if not is_storable(value):
            return None
        async with self._connections.read() as connection:
            found = await connection.execute(select(orders).where(column == value))
            row = found.one_or_none()
        return None if row is None else order_of(row, self._keyring)

    async def _known(
        self, connection: AsyncConnection, order_id: str, *, lock: bool = False
    ) -> Order:
        """Return the order, as the transaction sees it. Raises RecordNotFound."""
        wanted = select(orders).where(orders.c.id == order_id)
        if lock:
            wanted = wanted.with_for_update()
        row = None
        if is_storable(order_id):
            row = (await connection.execute(wanted)).one_or_none()
        if row is None:
            raise RecordNotFound(f"there is no order {order_id}")
        return order_of(row, self._keyring)

    async def _changeable(self, connection: AsyncConnection, order_id: str, revision: int) -> Order:
        """Return an order that stays. Raises RecordNotFound, StaleRevision, and Conflict."""
        known = await self._known(connection, order_id)
        if known.revision != revision:
            raise StaleRevision("the order was changed meanwhile")
        if known.is_ending:
            raise Conflict(f"the order of {known.name} is being removed")
        return known

    async def _management(self, connection: AsyncConnection, cluster_id: str) -> ManagementCluster:
        """Return a management cluster that stays. Raises RecordNotFound and Conflict."""
        found = await find_management(connection, cluster_id, self._keyring)
        if found is None:
            raise RecordNotFound(f"{cluster_id} is no management cluster")
        removing = select(clusters.c.removing_since).where(clusters.c.id == cluster_id)
        if (await connection.execute(removing)).scalar_one() is not None:
            raise Conflict("the management cluster is being removed")
        return found

    async def _make_room(self, connection: AsyncConnection, order: Order) -> None:
        """Take its name, and what it adopts, from released orders.

        One that only has the name goes on to count for the limits, and is named by its id.
        """
        same = same_engine_name(order)
        await connection.execute(delete(orders).where(same, orders.c.release))
        named = update(orders).where(orders.c.name == order.name, orders.c.release)
        await connection.execute(named.values(name=orders.c.id))
