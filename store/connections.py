"""The two ways to use the database: reading, and writing with an announcement."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncTransaction

from store.changes import ChangeHub
from store.errors import translated
from store.interfaces import Change


class Feed(Protocol):
    """Brings changes from elsewhere to the hub."""

    def start(self) -> None:
        """Begin."""

    async def stop(self) -> None:
        """End."""


class Notifier(Protocol):
    """Tells other processes of changes, within the transaction that makes them."""

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


class Connections:
    """Reading and writing. ``notifier`` is None where others find out by themselves (SQLite)."""

    def __init__(self, engines: Engines, shown: str, hub: ChangeHub) -> None:
        self.engines = engines
        self.notifier: Notifier | None = None
        self._shown = shown
        self._hub = hub

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection to read with; each statement sees what is committed when it begins."""
        with translated(self._shown):
            async with self.engines.reader.connect() as connection:
                yield connection

    @asynccontextmanager
    async def write(self, *announced: Change) -> AsyncIterator[AsyncConnection]:
        """A transaction; ``announced`` is told to every cache once it has committed.

        A caller that is cancelled while the commit runs is held until its outcome is known: what
        may have been committed is announced in any case.
        """
        with translated(self._shown):
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
    """Run ``work`` to its end, also when cancelled meanwhile; then be cancelled."""
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
