"""Engines for both databases, set up for a server that runs for months."""

import itertools
import json
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from store.connections import Engines
from store.locations import Location

BUSY_SECONDS = 5.0
"""How long SQLite waits for another process's write, and PostgreSQL for a connection to be made."""

STATEMENT_SECONDS = 10.0
"""How long PostgreSQL may take for a statement: all of ours are look-ups by key."""

MIGRATION_SECONDS = 600.0
"""The same at the start, for migrations and for the wait while another replica migrates."""

POOL_SECONDS = 10.0
"""How long a request waits for a connection of the pool."""

POSTGRESQL_CONNECTIONS, POSTGRESQL_BURST = 5, 10
"""Connections kept by each process, and how many more it may open for a while."""

SQLITE_READERS = 4
"""Connections (a thread each) that read beside the one that writes."""

CONNECTION_AGE_SECONDS = 1800
"""How long a connection to PostgreSQL is used: moves to another server happen without us."""

SERIAL = "sekisho_serial"
"""Tells SQLite connections of one process apart, in ``connection.info``."""

_serials = itertools.count()


def make_engines(location: Location, *, statement_seconds: float = STATEMENT_SECONDS) -> Engines:
    """Engines whose statements' parameters never reach a log."""
    if location.kind == "postgresql":
        return _postgresql(location, statement_seconds)
    return _sqlite(location)


def _common() -> dict[str, Any]:
    return {
        "hide_parameters": True,
        "pool_timeout": POOL_SECONDS,
        "json_serializer": lambda value: json.dumps(value, separators=(",", ":")),
    }


def _postgresql(location: Location, statement_seconds: float) -> Engines:
    import asyncpg  # here, for whoever uses SQLite needs none of it

    async def connect() -> Any:
        # asyncpg reads libpq's URL parameters itself; SQLAlchemy would hand on only some of them.
        return await asyncpg.connect(
            location.dsn,
            timeout=BUSY_SECONDS,
            command_timeout=statement_seconds,
            server_settings={"application_name": "sekisho"},
        )

    writer = create_async_engine(
        location.url,
        async_creator=connect,
        pool_size=POSTGRESQL_CONNECTIONS,
        max_overflow=POSTGRESQL_BURST,
        pool_pre_ping=True,
        pool_recycle=CONNECTION_AGE_SECONDS,
        **_common(),
    )
    return Engines(writer.execution_options(isolation_level="AUTOCOMMIT"), writer)


def _sqlite(location: Location) -> Engines:
    """One connection writes: the change feed must see by its counter which writes are others'."""
    # There is no transaction to end when a reader is given back: it needn't be asked to.
    reader = _sqlite_engine(location, SQLITE_READERS, pool_reset_on_return=None)
    event.listen(reader.sync_engine, "connect", _only_read)
    writer = _sqlite_engine(location, 1)
    event.listen(writer.sync_engine, "begin", _lock_to_write)
    return Engines(reader, writer)


def _sqlite_engine(location: Location, connections: int, **options: Any) -> AsyncEngine:
    engine = create_async_engine(
        location.url,
        pool_size=connections,
        max_overflow=0,
        connect_args={"timeout": BUSY_SECONDS},
        **_common(),
        **options,
    )
    event.listen(engine.sync_engine, "connect", _configure_sqlite)
    return engine


def _configure_sqlite(connection: Any, record: Any) -> None:
    # The driver's own idea of when a transaction begins doesn't cover DDL; ours is above.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("foreign_keys=ON", "journal_mode=WAL", "synchronous=NORMAL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
    record.info[SERIAL] = next(_serials)


def _lock_to_write(connection: Connection) -> None:
    # Taken first: a transaction that has read and then wants the lock may be refused.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _only_read(connection: Any, record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA query_only=ON")
    cursor.close()
