"""Opening the store: the one place where its parts are put together."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from store.answers import SqlAnswers
from store.bindings import SqlBindings
from store.changes import ChangeHub
from store.clusters import SqlClusters
from store.connections import Connections, Feed
from store.encryption import Keyring
from store.engine import MIGRATION_SECONDS, make_engines
from store.errors import translated
from store.fleet import SqlFleet
from store.identities import SqlIdentities
from store.interfaces import StoreUnavailable
from store.key_check import check_keys, renew_check
from store.leases import SqlLeases
from store.locations import Location, locate
from store.one_time import SqlOneTime
from store.projects import SqlProjects
from store.providers import SqlProviders
from store.roles import SqlRoles
from store.schema import bring_up
from store.tokens import SqlTokens
from store.users import SqlUsers


class SqlStore:
    """A :class:`store.interfaces.Store` on SQLAlchemy."""

    def __init__(
        self, connections: Connections, keyring: Keyring, feed: Feed, hub: ChangeHub
    ) -> None:
        self._connections = connections
        self._keyring = keyring
        self._feed = feed
        self.changes = hub
        self.users = SqlUsers(connections)
        self.tokens = SqlTokens(connections)
        self.clusters = SqlClusters(connections, keyring)
        self.identities = SqlIdentities(connections, keyring)
        self.one_time = SqlOneTime(connections)
        self.providers = SqlProviders(connections, keyring)
        self.roles = SqlRoles(connections)
        self.bindings = SqlBindings(connections)
        self.projects = SqlProjects(connections)
        self.fleet = SqlFleet(connections)
        self.leases = SqlLeases(connections)
        self.answers = SqlAnswers(connections, keyring)

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the database answers."""
        async with self._connections.read() as connection:
            await connection.execute(text("SELECT 1"))

    async def rotate_keys(self) -> int:
        """Encrypt with the first key whatever another one encrypted; how many records changed."""
        async with self._connections.write() as connection:
            changed = await self.clusters.rotate(connection)
            changed += await self.identities.rotate(connection)
            changed += await self.providers.rotate(connection)
            await renew_check(connection, self._keyring)
        return changed

    async def close(self) -> None:
        """Close every connection."""
        await self._feed.stop()
        await self._connections.engines.dispose()


async def open_store(
    url: str, keyring: Keyring, *, upgrade: bool = True, poll_interval: float = 0.2
) -> SqlStore:
    """Open the database at ``url``, bring its schema up, and see that it can be used.

    ``poll_interval`` (seconds) is how often SQLite is looked at for others' changes. Raises
    StoreUnavailable, SchemaTooNew, SchemaTooOld (with ``upgrade`` False) or KeyMismatch.
    """
    location = locate(url)
    async with _first_transaction(location) as connection:
        await bring_up(connection, location.shown, upgrade=upgrade)
        await check_keys(connection, keyring, location.shown)
    hub = ChangeHub()
    connections = Connections(make_engines(location), location.shown, hub)
    feed: Feed
    if location.dsn is not None:
        from store.postgresql_feed import PostgresqlFeed  # and asyncpg, which SQLite doesn't need

        feed = connections.notifier = PostgresqlFeed(location.dsn, hub)
    else:
        from store.sqlite_feed import SqliteFeed  # and aiosqlite, which PostgreSQL doesn't need

        feed = SqliteFeed(connections.engines.writer, hub, poll_interval)
    feed.start()
    return SqlStore(connections, keyring, feed, hub)


async def upgrade_database(url: str) -> tuple[str | None, str]:
    """Bring the schema up; the revision before (None: there was no schema) and now."""
    location = locate(url)
    async with _first_transaction(location) as connection:
        return await bring_up(connection, location.shown, upgrade=True)


@asynccontextmanager
async def _first_transaction(location: Location) -> AsyncIterator[AsyncConnection]:
    """What is done before the database is used, all or nothing, with time enough to migrate."""
    with translated(location.shown):
        _prepare_files(location)
    engines = make_engines(location, statement_seconds=MIGRATION_SECONDS)
    try:
        async with Connections(engines, location.shown, ChangeHub()).write() as connection:
            yield connection
    finally:
        await engines.dispose()


def _prepare_files(location: Location) -> None:
    """Make SQLite's file for its owner only; SQLite itself would let everybody read it."""
    for needed in location.needed:
        if not needed.is_file():
            raise StoreUnavailable(f"{location.shown} can't be used: there is no file {needed}")
    file = location.file
    if file is None or file.exists():
        return
    if not file.parent.is_dir():
        raise StoreUnavailable(
            f"{location.shown} can't be made: the folder {file.parent} doesn't exist"
        )
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:  # another process was quicker
        pass
