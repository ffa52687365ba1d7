"""Write rows into a database that has none, in one transaction."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import delete, func, insert, select, text, tuple_
from sqlalchemy import inspect as inspector_of
from sqlalchemy.ext.asyncio import AsyncConnection

from store.audit_database import AuditDatabase
from store.audit_table import audit_metadata
from store.changes import ChangeHub
from store.connections import Database
from store.database_files import prepare_files
from store.engine import DEFAULT_TIMEOUTS, MIGRATION_SECONDS, make_engines
from store.error_translation import translated
from store.errors import Conflict, StoreError, StoreUnavailable
from store.locations import Location
from store.schema import bring_up, has_schema
from store.tables import metadata
from store.transfer.shapes import AUDIT_TABLES, TableShape, as_table, current_shapes


class Mismatch(StoreError):
    """A row read back differs from the one that was written. Nothing was committed."""


class Target:
    """A database in the transaction that fills it. ``events``: that of SQLite's second file."""

    def __init__(
        self, connection: AsyncConnection, location: Location, events: AsyncConnection | None = None
    ) -> None:
        self.connection = connection
        self.location = location
        self.has_events = False
        self._events = events
        self._dialect = connection.dialect.name

    def require(self, shape: TableShape) -> None:
        """Raise StoreError if the table has another form in SQLite's second file.

        The main database has the schema of the rows, and is migrated afterwards; that file has no
        older schemas.
        """
        if shape.name not in AUDIT_TABLES or self._events is None:
            return
        self.has_events = True
        if shape.columns not in {one.columns for one in current_shapes() if one.name == shape.name}:
            raise StoreError(
                "the events of the audit search were written by another version: restore them with "
                "that version, or restore with --without-audit"
            )

    async def existing(self) -> list[str]:
        """Return this version's tables that have rows, or that are not Sekisho's."""
        names = await self.connection.run_sync(lambda one: inspector_of(one).get_table_names())
        ours = [one for one in current_shapes() if one.name in names]
        if not await self.connection.run_sync(has_schema):
            return [one.name for one in ours]
        return [one.name for one in ours if await self._has_rows(one)]

    async def refuse_rows(self) -> None:
        """Raise Conflict if the database is not empty."""
        found = await self.existing()
        if found:
            raise Conflict(
                f"{self.location.shown} is not empty (table {found[0]}): name an empty database"
            )

    async def clear(self) -> None:
        """Drop all of Sekisho's tables, if the database has any.

        Raises:
            SchemaTooNew: the tables are those of a newer version.
            StoreUnavailable: a server uses them.
        """
        if not await self.connection.run_sync(has_schema):
            return
        await bring_up(self.connection, self.location.shown, upgrade=True)
        if self._dialect == "postgresql":
            await self._refuse_servers()
        for every in (metadata, audit_metadata):
            await self.connection.run_sync(every.drop_all)
        await self.connection.execute(text("DROP TABLE alembic_version"))

    async def _refuse_servers(self) -> None:
        """Raise StoreUnavailable if a server listens for changes in the database."""
        listening = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'sekisho-changes'"
        )
        if (await self.connection.execute(listening)).scalar_one():
            raise StoreUnavailable(f"{self.location.shown} is in use: stop every server")

    async def empty(self, shape: TableShape) -> None:
        """Delete the rows of a table."""
        await self._of(shape).execute(delete(as_table(shape, self._dialect)))

    async def insert(self, shape: TableShape, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows."""
        await self._of(shape).execute(insert(as_table(shape, self._dialect)), list(rows))

    async def verify(self, shape: TableShape, rows: Sequence[Mapping[str, Any]]) -> None:
        """Read rows back. Raises Mismatch unless each of them is as it was written."""
        table = as_table(shape, self._dialect)
        keys = [tuple(row[name] for name in shape.key) for row in rows]
        columns = [table.columns[name] for name in shape.key]
        query = select(*table.columns).where(tuple_(*columns).in_(keys))
        found = {
            tuple(row[name] for name in shape.key): dict(row)
            for row in (await self._of(shape).execute(query)).mappings()
        }
        for key, row in zip(keys, rows, strict=True):
            if found.get(key) != dict(row):
                raise Mismatch(
                    f"a row of {shape.name} differs after it was written to "
                    f"{self.location.shown}; nothing was changed there"
                )

    async def count(self, shape: TableShape) -> int:
        """Return the number of rows of a table."""
        table = as_table(shape, self._dialect)
        query = select(func.count()).select_from(table)
        return int((await self.connection.execute(query)).scalar_one())

    async def continue_numbers(self, shapes: Iterable[TableShape]) -> None:
        """Let the database number new rows after those that were inserted. SQLite does."""
        for shape in shapes if self._dialect == "postgresql" else ():
            if shape.serial is None:
                continue
            column = as_table(shape, self._dialect).columns[shape.serial]
            last = (await self.connection.execute(select(func.max(column)))).scalar_one()
            if last is not None:
                sequence = "SELECT setval(pg_get_serial_sequence(:table, :column), :last)"
                values = {"table": shape.name, "column": shape.serial, "last": last}
                await self.connection.execute(text(sequence), values)

    def _of(self, shape: TableShape) -> AsyncConnection:
        """Return the connection to the file with a table."""
        if shape.name in AUDIT_TABLES and self._events is not None:
            return self._events
        return self.connection

    async def _has_rows(self, shape: TableShape) -> bool:
        query = select(1).select_from(as_table(shape, self._dialect)).limit(1)
        return (await self.connection.execute(query)).first() is not None


@asynccontextmanager
async def open_target(location: Location) -> AsyncIterator[Target]:
    """Begin the transaction, and commit it at the end. Raises StoreUnavailable.

    With SQLite, the second file gets one, too, which is committed first.
    """
    with translated(location.shown):
        prepare_files(location)
    timeouts = replace(DEFAULT_TIMEOUTS, statement=MIGRATION_SECONDS)
    main = Database(make_engines(location, timeouts), location.shown, ChangeHub())
    audit = AuditDatabase(main, location, timeouts)
    try:
        async with main.write() as connection, AsyncExitStack() as stack:
            events = None
            if location.kind == "sqlite":
                events = await stack.enter_async_context((await audit.get()).write())
            yield Target(connection, location, events)
    finally:
        await audit.close()
        await main.engines.dispose()
