"""The database of the searchable audit log.

With PostgreSQL it is Sekisho's database. With SQLite it is a second file: a SQLite file has one
writer at a time, and every commit of another process makes each worker read its caches again
(:mod:`store.sqlite_feed`). Events would cause such a commit every second. The second file can be
deleted at any time; the audit log's own file has the same events.
"""

import asyncio
from contextlib import suppress

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from store.audit_table import audit_metadata
from store.changes import ChangeHub
from store.connections import Database
from store.database_files import prepare_files
from store.engine import Timeouts, make_engines
from store.locations import Location

_VERSION = 1
"""The version of the table in SQLite's second file. A file with another version is emptied."""


class AuditDatabase:
    """Opens the database at the first use, so that offline commands create no file."""

    def __init__(self, main: Database, location: Location, timeouts: Timeouts) -> None:
        self.main = main
        self._timeouts = timeouts
        self._location = location
        self._opened: Database | None = main if location.kind == "postgresql" else None
        self._opening = asyncio.Lock()

    async def get(self) -> Database:
        """Return the database, with its table. Raises StoreUnavailable."""
        async with self._opening:
            if self._opened is None:
                self._opened = await self._open()
        return self._opened

    async def close(self) -> None:
        """Close every connection to the second file."""
        if self._opened is not None and self._opened is not self.main:
            await self._opened.engines.dispose()

    async def _open(self) -> Database:
        beside = self._location.beside("audit")
        prepare_files(beside)
        database = Database(make_engines(beside, self._timeouts), beside.shown, ChangeHub())
        try:
            async with database.write() as connection:
                await _bring_up(connection)
        except BaseException:
            with suppress(Exception):
                await database.engines.dispose()
            raise
        return database


async def _bring_up(connection: AsyncConnection) -> None:
    version = (await connection.execute(text("PRAGMA user_version"))).scalar_one()
    if version == _VERSION:
        return
    await connection.run_sync(audit_metadata.drop_all)
    await connection.run_sync(audit_metadata.create_all)
    await connection.execute(text(f"PRAGMA user_version = {_VERSION}"))
