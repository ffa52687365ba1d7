"""Engines for both databases, set up for a server that runs for months."""

import itertools
import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from store import sqlite_connection
from store.connections import Engines
from store.locations import Location


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits of the store, in seconds.

    ``busy`` limits SQLite's wait for another writer, and a connection to PostgreSQL. ``statement``
    limits a statement in PostgreSQL: all statements are look-ups by key. ``look`` limits a look of
    the change feed at SQLite; a slower one means that the database is busy. ``transaction`` is how
    long PostgreSQL waits for the next statement of a transaction before it ends the session.
    """

    busy: float = 5.0
    statement: float = 10.0
    look: float = 0.5
    transaction: float = 60.0


DEFAULT_TIMEOUTS = Timeouts()

MIGRATION_SECONDS = 600.0
"""The time limit of a statement at the start, for migrations of this or another replica."""

POOL_SECONDS = 10.0
"""The time limit of the wait for a pooled connection."""

POSTGRESQL_CONNECTIONS, POSTGRESQL_BURST = 5, 10
"""Connections of each process, and additional connections during a burst."""

SQLITE_READERS = 4
"""Connections (a thread each) for reading, beside the one for writing."""

CONNECTION_AGE_SECONDS = 1800
"""The maximum age of a connection to PostgreSQL, so that a failover takes effect."""

SERIAL = "sekisho_serial"
"""The key of a connection's number within the process, in ``connection.info``."""

_serials = itertools.count()


def make_engines(location: Location, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> Engines:
    """Return engines that never log statements' parameters."""
    if location.kind == "postgresql":
        return _postgresql(location, timeouts)
    return _sqlite(location, timeouts)


def _common() -> dict[str, Any]:
    return {
        "hide_parameters": True,
        "pool_timeout": POOL_SECONDS,
        "json_serializer": lambda value: json.dumps(value, separators=(",", ":"), allow_nan=False),
    }


def _postgresql(location: Location, timeouts: Timeouts) -> Engines:
    from store.postgresql_connector import PostgresqlConnector  # and asyncpg; SQLite needs neither

    connector = PostgresqlConnector(
        location, "sekisho", timeouts.busy, timeouts.statement, timeouts.transaction
    )
    writer = create_async_engine(
        location.url,
        async_creator=connector.connect,
        pool_size=POSTGRESQL_CONNECTIONS,
        max_overflow=POSTGRESQL_BURST,
        pool_pre_ping=True,
        pool_recycle=CONNECTION_AGE_SECONDS,
        **_common(),
    )
    return Engines(writer.execution_options(isolation_level="AUTOCOMMIT"), writer)


def _sqlite(location: Location, timeouts: Timeouts) -> Engines:
    """Return engines with one writer: the change feed's counter then shows other writers."""
    # A reader has no transaction to end when it returns to the pool.
    reader = _sqlite_engine(location, SQLITE_READERS, timeouts, pool_reset_on_return=None)
    event.listen(reader.sync_engine, "connect", _only_read)
    writer = _sqlite_engine(location, 1, timeouts)
    event.listen(writer.sync_engine, "begin", _lock_to_write)
    return Engines(reader, writer)


def _sqlite_engine(
    location: Location, connections: int, timeouts: Timeouts, **options: Any
) -> AsyncEngine:
    engine = create_async_engine(
        location.url,
        pool_size=connections,
        max_overflow=0,
        connect_args={"timeout": timeouts.busy, "async_creator_fn": sqlite_connection.connect},
        **_common(),
        **options,
    )
    event.listen(engine.sync_engine, "connect", _configure_sqlite)
    return engine


def _configure_sqlite(connection: Any, record: Any) -> None:
    # The driver's own transactions do not cover DDL; the listener above begins them.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("foreign_keys=ON", "journal_mode=WAL", "synchronous=NORMAL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
    record.info[SERIAL] = next(_serials)


def _lock_to_write(connection: Connection) -> None:
    # Locked first: a transaction that reads before it locks may fail.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _only_read(connection: Any, record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA query_only=ON")
    cursor.close()
