"""Intervals between polls of device sign-ins, in SQL: shared by all replicas."""

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update

from store.connections import Database
from store.errors import Conflict
from store.tables import device_polls as table


class SqlDevicePolls:
    """A :class:`store.interfaces.DevicePolls`."""

    def __init__(self, connections: Database) -> None:
        self._connections = connections

    async def poll(
        self,
        value: str,
        now: datetime,
        interval: timedelta,
        expires_at: datetime,
        *,
        slower: timedelta,
        most: timedelta,
    ) -> timedelta | None:
        """Record a poll of ``value``. Return None if it is allowed, else the new interval."""
        key = _digest(value)
        try:
            return await self._poll(key, now, interval, expires_at, slower, most)
        except Conflict:  # Two first polls at the same moment: the other one was first.
            return await self._poll(key, now, interval, expires_at, slower, most)

    async def _poll(
        self,
        key: bytes,
        now: datetime,
        interval: timedelta,
        expires_at: datetime,
        slower: timedelta,
        most: timedelta,
    ) -> timedelta | None:
        async with self._connections.write() as connection:
            query = select(table.c.next_at, table.c.seconds).where(table.c.value == key)
            row = (await connection.execute(query.with_for_update())).first()
            if row is None:
                seconds = interval.total_seconds()
                made = insert(table).values(
                    value=key, next_at=now + interval, seconds=seconds, expires_at=expires_at
                )
                await connection.execute(made)
                return None
            early = now < row.next_at
            pace = timedelta(seconds=row.seconds)
            if early:
                pace = max(pace, min(pace + slower, most))
            changed = update(table).where(table.c.value == key)
            await connection.execute(
                changed.values(next_at=now + pace, seconds=pace.total_seconds())
            )
            return pace if early else None

    async def slow_down(self, value: str, now: datetime, interval: timedelta) -> None:
        """Increase the interval between polls of ``value`` to at least ``interval``."""
        seconds = interval.total_seconds()
        async with self._connections.write() as connection:
            await connection.execute(
                update(table)
                .where(table.c.value == _digest(value), table.c.seconds < seconds)
                .values(next_at=now + interval, seconds=seconds)
            )

    async def clear(self, before: datetime) -> int:
        """Delete records that expired before then. Return the number."""
        async with self._connections.write() as connection:
            result = await connection.execute(delete(table).where(table.c.expires_at < before))
            return int(result.rowcount)


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()
