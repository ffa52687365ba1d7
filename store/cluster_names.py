"""Names of clusters and of orders: one name belongs to one of either."""

from sqlalchemy import ColumnElement, delete, select, text, true
from sqlalchemy.ext.asyncio import AsyncConnection

from store.errors import Conflict
from store.order_records import Order
from store.tables import clusters, orders

_LOCK = 0x5E_15_41
"""PostgreSQL's advisory lock that serializes transactions over both tables, and over limits."""

_SHOWN = 5
"""How many orders an error names."""


async def lock_orders(connection: AsyncConnection) -> None:
    """Serialize with all writers of names and sizes. Must be the transaction's first statement.

    SQLite has one writer at a time already.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


async def require_free_name(connection: AsyncConnection, record_id: str, name: str) -> None:
    """Raise Conflict if a cluster or an order with another id has the name.

    A cluster may have the name of its own order, and of a released one.
    """
    same = select(clusters.c.id).where(clusters.c.name == name, clusters.c.id != record_id)
    if (await connection.execute(same)).first() is not None:
        raise Conflict(f"a cluster {name} exists already")
    ordered = select(orders.c.id).where(
        orders.c.name == name, orders.c.id != record_id, orders.c.release.is_not(true())
    )
    if (await connection.execute(ordered)).first() is not None:
        raise Conflict(f"a cluster {name} is on order already")


async def require_wanted(connection: AsyncConnection, cluster_id: str) -> None:
    """Raise Conflict if the cluster's order is being deleted or released.

    An import must not bring back what a user removes.
    """
    ending = orders.c.release | orders.c.deleting_since.is_not(None)
    wanted = select(orders.c.name).where(orders.c.id == cluster_id, ending)
    found = (await connection.execute(wanted)).scalar_one_or_none()
    if found is not None:
        raise Conflict(f"the order of {found} is being removed")


async def require_no_orders(connection: AsyncConnection, cluster_id: str) -> None:
    """Raise Conflict if clusters are on order in a management cluster, released ones apart."""
    wanted = select(orders.c.name).where(
        orders.c.management_id == cluster_id, orders.c.release.is_not(true())
    )
    names = (await connection.execute(wanted.order_by(orders.c.name))).scalars().all()
    if names:
        more = "" if len(names) <= _SHOWN else f" and {len(names) - _SHOWN} more"
        raise Conflict(
            f"the management cluster has orders: {', '.join(names[:_SHOWN])}{more}; "
            "delete or release them first"
        )


async def forget_released(connection: AsyncConnection, cluster_id: str) -> None:
    """Delete the released orders of a management cluster, which is about to be deleted."""
    same = (orders.c.management_id == cluster_id) & orders.c.release
    await connection.execute(delete(orders).where(same))


async def require_free_engine_name(connection: AsyncConnection, order: Order) -> None:
    """Raise Conflict if another order has the object, unless that is released to be adopted."""
    same = same_engine_name(order) & (orders.c.id != order.id)
    if order.adopted:
        same &= orders.c.release.is_not(true())
    wanted = select(orders.c.name, orders.c.release).where(same)
    found = (await connection.execute(wanted)).one_or_none()
    if found is None:
        return
    if found.release:
        raise Conflict(
            f"the cluster {order.engine_name} was released, and is in the management cluster "
            "until it is deleted there: choose another name"
        )
    raise Conflict(f"the order of {found.name} has the cluster {order.engine_name} already")


def same_engine_name(order: Order) -> ColumnElement[bool]:
    """Return the condition that a row is of the same object of the engine."""
    return (orders.c.management_id == order.management_id) & (
        orders.c.engine_name == order.engine_name
    )
