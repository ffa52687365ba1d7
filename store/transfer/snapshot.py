"""Read one consistent state of a database, in batches."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ColumnClause,
    Function,
    LargeBinary,
    Row,
    case,
    cast,
    column,
    event,
    func,
    select,
    table,
    text,
    type_coerce,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.types import NullType

from store.encryption import Keyring
from store.engine import DEFAULT_TIMEOUTS, MIGRATION_SECONDS, make_engines
from store.error_translation import translated
from store.errors import StoreError, StoreUnavailable
from store.key_check import refuse_other_keys
from store.locations import Location
from store.schema import has_schema, refuse_other_schema
from store.transfer.shapes import AUDIT_TABLES, TableShape, as_table, current_shapes

BATCH = 500
"""Rows that are in memory at a time."""

LOCK_SECONDS = 1.0
"""How long to wait for a database file that another process uses."""

_ANY = NullType()
_ROWID: ColumnClause[int] = column("rowid")


class Snapshot:
    """The rows of a database at one moment. ``dialect`` is the database's."""

    def __init__(
        self, connection: AsyncConnection, shown: str, audit: AsyncConnection | None
    ) -> None:
        self._connection = connection
        self._shown = shown
        self._audit = audit
        self.dialect = connection.dialect.name

    @property
    def shapes(self) -> Sequence[TableShape]:
        """Return the tables, without those that this database does not have."""
        has_audit = self._audit is not None
        return [one for one in current_shapes() if has_audit or one.name not in AUDIT_TABLES]

    async def check_keys(self, keyring: Keyring) -> None:
        """Raise KeyMismatch unless the keys open what the database has."""
        with translated(self._shown):
            await refuse_other_keys(self._connection, keyring, self._shown)

    async def batches(self, shape: TableShape) -> AsyncIterator[Sequence[Row[Any]]]:
        """Yield the rows of a table in the order of its key. Raises StoreUnavailable."""
        read = as_table(shape, self.dialect)
        rows = select(*read.columns).order_by(*read.primary_key.columns)
        with translated(self._shown):
            result = await self._of(shape).stream(rows, execution_options={"yield_per": BATCH})
            async for batch in result.partitions():
                yield batch

    async def stored(self, shape: TableShape) -> AsyncIterator[Sequence[Any]]:
        """Yield the rows of a table of SQLite with the values that are stored, of whatever type.

        Text is a string with a character for each byte, because it may be invalid UTF-8.
        """
        columns: list[ColumnClause[Any]] = [column(name) for name, _ in shape.columns]
        # As no type: the values of each row have types of their own.
        values = [
            type_coerce(case((_storage(one) == "text", cast(one, LargeBinary)), else_=one), _ANY)
            for one in columns
        ]
        rows = select(*map(_storage, columns), *values).select_from(table(shape.name))
        with translated(self._shown):
            result = await self._of(shape).stream(rows, execution_options={"yield_per": BATCH})
            async for row in result:
                kinds, found = row[: len(columns)], list[Any](row[len(columns) :])
                yield [
                    value.decode("latin-1") if kind == "text" else value
                    for kind, value in zip(kinds, found, strict=True)
                ]

    async def missing_parents(self, shape: TableShape) -> AsyncIterator[tuple[Sequence[Any], str]]:
        """Yield keys of SQLite's rows that refer to a row that does not exist, and its table."""
        connection = self._of(shape)
        key: list[ColumnClause[Any]] = [column(name) for name in shape.key]
        keys = select(*key).select_from(table(shape.name))
        with translated(self._shown):
            check = text(f'PRAGMA foreign_key_check("{shape.name}")')
            for found in (await connection.execute(check)).all():
                row = (await connection.execute(keys.where(found[1] == _ROWID))).one()
                yield tuple(row), str(found[2])

    def _of(self, shape: TableShape) -> AsyncConnection:
        connection = self._audit if shape.name in AUDIT_TABLES else self._connection
        assert connection is not None
        return connection


def _storage(one: ColumnClause[Any]) -> Function[str]:
    """Return SQLite's storage class of a value."""
    return func.typeof(one)


@asynccontextmanager
async def open_snapshot(
    location: Location, *, exclusive: bool = False, audit: bool = True
) -> AsyncIterator[Snapshot]:
    """Begin a transaction that only reads, while other processes use the database.

    ``exclusive``: raise StoreUnavailable if another process uses SQLite's file, and lock it against
    all others. ``audit``: with the events of the searchable audit log.

    Raises:
        SchemaTooOld, SchemaTooNew: the schema is not this version's.
    """
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(_reading(location, exclusive=exclusive))
        with translated(location.shown):
            if not await connection.run_sync(has_schema):
                raise StoreError(f"{location.shown} has no schema: it was never used by a server")
            found = (
                await connection.execute(text("SELECT version_num FROM alembic_version"))
            ).all()
        refuse_other_schema([str(one[0]) for one in found], location.shown)
        events = connection if audit else None
        if audit and location.kind == "sqlite":
            events = await _audit_of_sqlite(stack, location, exclusive=exclusive)
        yield Snapshot(connection, location.shown, events)


async def refuse_use(location: Location) -> None:
    """Raise StoreUnavailable if another process uses SQLite's file. Merge its write-ahead log."""
    async with _reading(location, exclusive=True):
        pass


async def _audit_of_sqlite(
    stack: AsyncExitStack, location: Location, *, exclusive: bool
) -> AsyncConnection | None:
    """Return a transaction in the second file; None if there is none."""
    beside = location.beside("audit")
    if beside.file is None or not beside.file.exists():
        return None
    connection = await stack.enter_async_context(_reading(beside, exclusive=exclusive))
    tables = "SELECT count(*) FROM sqlite_master WHERE name = 'audit_events'"
    with translated(beside.shown):
        found = (await connection.execute(text(tables))).scalar_one()
    return connection if found else None


@asynccontextmanager
async def _reading(location: Location, *, exclusive: bool) -> AsyncIterator[AsyncConnection]:
    """Return a connection in a transaction that sees one state of the database."""
    if location.file is not None and not location.file.exists():
        raise StoreUnavailable(f"{location.shown} doesn't exist; correct store.url")
    engine = _engine(location, exclusive=exclusive)
    try:
        with translated(location.shown):
            connection = await engine.connect()
        try:
            await _begin(connection, location, exclusive=exclusive)
            yield connection
        finally:
            await connection.close()
    finally:
        await engine.dispose()


def _engine(location: Location, *, exclusive: bool) -> AsyncEngine:
    if exclusive:
        return _exclusive_engine(location)
    engines = make_engines(location, replace(DEFAULT_TIMEOUTS, statement=MIGRATION_SECONDS))
    if location.kind == "sqlite":
        return engines.reader
    return engines.writer.execution_options(
        isolation_level="REPEATABLE READ", postgresql_readonly=True
    )


async def _begin(connection: AsyncConnection, location: Location, *, exclusive: bool) -> None:
    """Begin the transaction. The first statement that reads fixes the state that it sees."""
    if location.kind == "postgresql":
        return  # begun by the first statement
    try:
        with translated(location.shown):
            await connection.exec_driver_sql("BEGIN EXCLUSIVE" if exclusive else "BEGIN")
            await connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")
    except StoreUnavailable as exc:
        if exclusive and "is locked" in str(exc):
            raise StoreUnavailable(
                f"{location.shown} is in use: stop the server and other `sekisho admin` commands"
            ) from exc
        raise


def _exclusive_engine(location: Location) -> AsyncEngine:
    """Return an engine that locks SQLite's file against every other connection.

    In WAL mode, each connection holds a shared lock on the file for as long as it is open. With
    ``locking_mode=EXCLUSIVE`` before the first access, SQLite takes the exclusive lock, which fails
    while a server has the file open, also while that server is idle.
    """
    engine = create_async_engine(
        location.url,
        pool_size=1,
        max_overflow=0,
        connect_args={"timeout": LOCK_SECONDS},
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "connect", _lock)
    return engine


def _lock(connection: Any, record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA locking_mode=EXCLUSIVE")
    cursor.close()
