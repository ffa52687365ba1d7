"""Limits of orders, counted in the transaction that stores the order."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, false, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from store.errors import QuotaExceeded
from store.order_records import ManagementCluster, Order, OrderLimits
from store.tables import orders


@dataclass(frozen=True, slots=True)
class _Count:
    """One limit: what it counts, what is used without the order, and what the order adds.

    ``before`` is what the order that it replaces added, and ``most`` the limit.
    """

    limit: str
    used: ColumnElement[int]
    where: ColumnElement[bool]
    adds: int
    before: int
    what: str
    most: int = 0


async def require_within_limits(
    connection: AsyncConnection,
    order: Order,
    management: ManagementCluster,
    quotas: OrderLimits,
    *,
    before: Order | None = None,
) -> None:
    """Raise QuotaExceeded if the order exceeds a limit. ``before`` is the order that it replaces.

    An adopted cluster counts for no limit. A released one does for as long as its order is stored,
    which is until its Cluster is gone: its machines cost money. An order that does not grow may
    exceed a limit that was lowered after it.
    """
    for count in _counts(order, management, quotas, before):
        if count.adds <= count.before:
            continue
        others = (count.where, orders.c.id != order.id, orders.c.adopted.is_not(true()))
        used = select(count.used).where(*others)
        total = (await connection.execute(used)).scalar_one() + count.adds
        if total > count.most:
            released = select(func.count()).where(*others, orders.c.release)
            left = (await connection.execute(released)).scalar_one()
            raise QuotaExceeded(
                count.limit, f"{count.what}: {total} of at most {count.most}{_kept(left)}"
            )


def _counts(
    order: Order, management: ManagementCluster, quotas: OrderLimits, before: Order | None
) -> Iterator[_Count]:
    """Yield the counts that are limited. A management cluster's limit replaces the settings'."""
    here = orders.c.management_id == order.management_id
    for one in _general(order, before):
        inside, everywhere = (getattr(limits, one.limit) for limits in (management.limits, quotas))
        if inside is not None:
            what = f"{one.what} in this management cluster"
            yield replace(one, most=inside, where=one.where & here, what=what)
        elif everywhere is not None:
            yield replace(one, most=everywhere)
    for allowed in management.classes:
        if allowed.name == order.wanted.class_name and allowed.clusters is not None:
            yield _Count(
                "class",
                func.count(),
                here & (orders.c.class_name == allowed.name),
                1,
                int(before is not None and before.wanted.class_name == allowed.name),
                f"clusters of class {allowed.name}",
                allowed.clusters,
            )


def _general(order: Order, before: Order | None) -> Iterator[_Count]:
    """Yield a count for each of OrderLimits."""
    by_user = orders.c.owner_id == order.owner_id
    what = f"clusters of {order.user_name}"
    yield _Count("clusters_per_user", func.count(), by_user, 1, int(before is not None), what)
    sizes = (order.wanted.workers, before.wanted.workers if before else 0)
    # Of one cluster, nothing is used but what the order adds.
    yield _Count("workers_per_cluster", func.count(), false(), *sizes, "workers of one cluster")
    used = func.coalesce(func.sum(orders.c.workers), 0)
    yield _Count("workers", used, true(), *sizes, "workers of all clusters")


def _kept(released: int) -> str:
    if not released:
        return ""
    clusters = "1 cluster" if released == 1 else f"{released} clusters"
    return f", with {clusters} that stayed in the management cluster after the removal"
