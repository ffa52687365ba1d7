"""Leases, in SQL."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, or_, select, update

from store.connections import Database
from store.database_time import database_time
from store.inserts import insert_missing
from store.tables import leases


class SqlLeases:
    """A :class:`store.interfaces.Leases`."""

    def __init__(self, connections: Database) -> None:
        self._connections = connections

    async def hold(self, names: Sequence[str], holder: str, term: timedelta) -> frozenset[str]:
        """Acquire or renew leases that are free, expired or held. Return the holder's leases.

        In order of names, so that replicas that ask for the same don't wait in a circle.
        """
        if not names:
            return frozenset()
        async with self._connections.write() as connection:
            now = await database_time(connection)
            rows = [
                {"name": name, "holder": holder, "expires_at": now + term} for name in sorted(names)
            ]
            await connection.execute(insert_missing(connection, leases), rows)
            free = or_(leases.c.holder == holder, leases.c.expires_at <= now)
            ordered = select(leases.c.name).where(leases.c.name.in_(names), free)
            locked = ordered.order_by(leases.c.name).with_for_update()
            ours = [row.name for row in await connection.execute(locked)]
            await connection.execute(
                update(leases)
                .where(leases.c.name.in_(ours))
                .values(holder=holder, expires_at=now + term)
            )
            return frozenset(ours)

    async def release(self, holder: str, names: Sequence[str] | None = None) -> None:
        """Release those leases of ``holder``, or all."""
        where = [leases.c.holder == holder]
        if names is not None:
            where.append(leases.c.name.in_(names))
        async with self._connections.write() as connection:
            await connection.execute(delete(leases).where(*where))
