"""The two ways to use the database: reading, and writing with a notification."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncTransaction

from store.changes import ChangeHub
from store.error_translation import translated
from store.records import Change
from store.statistics import Measurement, StoreStatistics


class Feed(Protocol):
    """A source of other processes' changes for the hub."""

    async def start(self) -> None:
        """Begin. A file is in use, for other processes, from then on. Raises StoreUnavailable."""

    async def stop(self) -> None:
        """End."""


class Notifier(Protocol):
    """Notifies other processes of changes, in the transaction of the change."""

    async def notify(self, connection: AsyncConnection, changes: list[Change]) -> None:
        """Announce ``changes`` when the transaction commits."""


@dataclass(frozen=True, slots=True)
class Engines:
    """``reader`` begins no transactions. On SQLite ``writer`` has one connection, and only that
    connection writes; on PostgreSQL both share one pool.
    """

    reader: AsyncEngine
    writer: AsyncEngine

    async def dispose(self) -> None:
        """Close every connection."""
        await self.reader.dispose()
        await self.writer.dispose()


class Database:
    """Reads and writes. ``notifier`` is None if other processes poll (SQLite)."""

    def __init__(self, engines: Engines, shown: str, hub: ChangeHub) -> None:
        self.engines = engines
        self.notifier: Notifier | None = None
        self.statistics = StoreStatistics()
        self._shown = shown
        self._hub = hub

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Return a connection for reading. Each statement sees what is committed at its start."""
        with Measurement(self.statistics.read), translated(self._shown):
            async with self.engines.reader.connect() as connection:
                yield connection

    @asynccontextmanager
    async def write(self, *announced: Change) -> AsyncIterator[AsyncConnection]:
        """Return a transaction. After the commit, every cache is notified of ``announced``.

        A caller that is cancelled during the commit waits for its outcome, so that every possible
        change is announced.
        """
        with Measurement(self.statistics.write), translated(self._shown):
            engine = self.engines.writer
            async with engine.connect() as connection, connection.begin() as transaction:
                yield connection
                if announced and self.notifier is not None:
                    await self.notifier.notify(connection, list(announced))
                await _to_the_end(self._commit(transaction, announced))

    async def _commit(self, transaction: AsyncTransaction, announced: tuple[Change, ...]) -> None:
        try:
            await transaction.commit()
        finally:  # a connection lost during the commit leaves open whether it happened
            self._hub.publish(*announced)


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` to its end, even during a cancellation, which is raised afterwards."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as exc:
            cancelled = exc
    task.result()
    if cancelled is not None:
        raise cancelled
