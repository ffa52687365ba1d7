"""One engine, and the two ways to use it: reading, and writing with an announcement."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from store.changes import ChangeHub
from store.errors import translated
from store.interfaces import Change
from store.locations import Location

BUSY_SECONDS = 5.0
"""How long SQLite waits for another process's write, and PostgreSQL for a connection to be made."""

POOL_SECONDS = 10.0
"""How long a request waits for a connection of the pool."""


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


class Connections:
    """Reading and writing. ``notifier`` is None where others find out by themselves (SQLite)."""

    def __init__(self, engine: AsyncEngine, shown: str, hub: ChangeHub) -> None:
        self.engine = engine
        self.hub = hub
        self.notifier: Notifier | None = None
        self._shown = shown

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection to read with."""
        with translated(self._shown):
            async with self.engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def write(self, *announced: Change) -> AsyncIterator[AsyncConnection]:
        """A transaction; ``announced`` is told to every cache once it has committed."""
        with translated(self._shown):
            async with self.engine.connect() as connection:
                await connection.execution_options(sekisho_writes=True)
                async with connection.begin():
                    yield connection
                    if announced and self.notifier is not None:
                        await self.notifier.notify(connection, list(announced))
        self.hub.publish(*announced)


def make_engine(location: Location) -> AsyncEngine:
    """An engine whose statements' parameters never reach a log."""
    common: dict[str, Any] = {
        "hide_parameters": True,
        "pool_timeout": POOL_SECONDS,
        "json_serializer": lambda value: json.dumps(value, separators=(",", ":")),
    }
    if location.kind == "postgresql":
        return create_async_engine(
            location.url,
            pool_size=5,
            max_overflow=10,
            pool_pre_ping=True,
            connect_args={"timeout": BUSY_SECONDS, "command_timeout": 30},
            **common,
        )
    # One connection: the change feed must see by its counter which writes are others'.
    engine = create_async_engine(
        location.url,
        pool_size=1,
        max_overflow=0,
        connect_args={"timeout": BUSY_SECONDS},
        **common,
    )
    event.listen(engine.sync_engine, "connect", _configure_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: Any, record: object) -> None:
    # The driver's own idea of when a transaction begins doesn't cover DDL; ours is below.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("foreign_keys=ON", "journal_mode=WAL", "synchronous=NORMAL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Any) -> None:
    """A transaction that will write takes the write lock first: upgrading later may deadlock."""
    writes = connection.get_execution_options().get("sekisho_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
