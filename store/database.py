"""Opening the store: the one place where its parts are put together."""

import os

from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from store.changes import ChangeHub
from store.clusters import SqlClusters
from store.connections import Connections, Feed, make_engine
from store.encryption import Keyring, Undecryptable
from store.errors import translated
from store.interfaces import KeyMismatch, StoreUnavailable
from store.locations import Location, locate
from store.postgresql_feed import PostgresqlFeed
from store.schema import bring_up
from store.sqlite_feed import SqliteFeed
from store.tables import secrets
from store.tokens import SqlTokens
from store.users import SqlUsers

_CHECK = "keyring-check"
_CHECK_CONTEXT = "secrets.value/keyring-check"


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

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the database answers."""
        async with self._connections.read() as connection:
            await connection.execute(text("SELECT 1"))

    async def rotate_keys(self) -> int:
        """Encrypt with the first key whatever another one encrypted; how many records changed."""
        changed = await self.clusters.rotate()
        async with self._connections.write() as connection:
            await _write_check(connection, self._keyring)
        return changed

    async def close(self) -> None:
        """Close every connection."""
        await self._feed.stop()
        await self._connections.engine.dispose()


async def open_store(
    url: str, keyring: Keyring, *, upgrade: bool = True, poll_interval: float = 0.2
) -> SqlStore:
    """Open the database at ``url``, bring its schema up, and see that it can be used.

    ``poll_interval`` (seconds) is how often SQLite is looked at for others' changes. Raises
    StoreUnavailable, SchemaTooNew, SchemaTooOld (with ``upgrade`` False) or KeyMismatch.
    """
    location = locate(url)
    _prepare_file(location)
    hub = ChangeHub()
    connections = Connections(make_engine(location), location.shown, hub)
    try:
        async with connections.write() as connection:
            await bring_up(connection, location.shown, upgrade=upgrade)
            await _check_keys(connection, keyring, location.shown)
    except BaseException:
        await connections.engine.dispose()
        raise
    feed: Feed
    if location.dsn is not None:
        feed = connections.notifier = PostgresqlFeed(location.dsn, hub)
    else:
        feed = SqliteFeed(connections.engine, hub, poll_interval)
    feed.start()
    return SqlStore(connections, keyring, feed, hub)


async def upgrade_database(url: str) -> tuple[str | None, str]:
    """Bring the schema up; the revision before (None: there was no schema) and now."""
    location = locate(url)
    _prepare_file(location)
    connections = Connections(make_engine(location), location.shown, ChangeHub())
    try:
        async with connections.write() as connection:
            return await bring_up(connection, location.shown, upgrade=True)
    finally:
        await connections.engine.dispose()


def _prepare_file(location: Location) -> None:
    """Make SQLite's file for its owner only; SQLite itself would let everybody read it."""
    if location.file is None:
        return
    if not location.file.parent.is_dir():
        raise StoreUnavailable(
            f"{location.shown} can't be made: the folder {location.file.parent} doesn't exist"
        )
    with translated(location.shown):
        if not location.file.exists():
            os.close(os.open(location.file, os.O_CREAT | os.O_RDWR, 0o600))


async def _check_keys(connection: AsyncConnection, keyring: Keyring, shown: str) -> None:
    """Open the check value with the keys we have; make it where there is none yet.

    Writes in either case: a database that can't be written to is found out now.
    """
    row = (
        await connection.execute(select(secrets.c.value).where(secrets.c.name == _CHECK))
    ).one_or_none()
    if row is None:
        await connection.execute(insert(secrets).values(name=_CHECK, value=_check(keyring)))
        return
    try:
        keyring.decrypt(row.value, _CHECK_CONTEXT)
    except Undecryptable:
        raise KeyMismatch(
            f"none of the encryption keys opens {shown}: "
            "configure the key it was made with (store.encryption_keys_file)"
        ) from None
    await connection.execute(
        update(secrets).where(secrets.c.name == _CHECK).values(value=row.value)
    )


async def _write_check(connection: AsyncConnection, keyring: Keyring) -> None:
    await connection.execute(
        update(secrets).where(secrets.c.name == _CHECK).values(value=_check(keyring))
    )


def _check(keyring: Keyring) -> bytes:
    return keyring.encrypt("sekisho", _CHECK_CONTEXT)
