"""Open the store: the composition of its parts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from config.address_policy import DEFAULT_POLICY, AddressPolicy
from store.agent_tokens import SqlAgentTokens
from store.audit_database import AuditDatabase
from store.audit_events import SqlAuditEvents
from store.bindings import SqlBindings
from store.changes import ChangeHub
from store.clusters import SqlClusters
from store.connections import Database, Feed
from store.database_files import prepare_files
from store.database_time import database_time
from store.device_polls import SqlDevicePolls
from store.encryption import Keyring
from store.engine import DEFAULT_TIMEOUTS, MIGRATION_SECONDS, Timeouts, make_engines
from store.error_translation import translated
from store.errors import StoreUnavailable
from store.fleet import SqlFleet
from store.idempotency_records import SqlIdempotencyRecords
from store.identities import SqlIdentities
from store.key_check import check_keys
from store.leases import SqlLeases
from store.locations import Location, locate
from store.management_clusters import SqlManagementClusters
from store.nonces import SqlNonces
from store.orders import SqlOrders
from store.projects import SqlProjects
from store.provider_claims import SqlProviderClaims
from store.providers import SqlProviders
from store.roles import SqlRoles
from store.rotation import RotatedTable, rotate_sealed_values
from store.schema import bring_up, has_schema
from store.sealed_values import SealedTable, check_sealed_values
from store.tokens import SqlTokens
from store.tunnels import SqlTunnels
from store.users import SqlUsers


class SqlStore:
    """A :class:`store.interfaces.Store` on SQLAlchemy."""

    def __init__(
        self,
        connections: Database,
        keyring: Keyring,
        feed: Feed,
        hub: ChangeHub,
        addresses: AddressPolicy,
        audit: AuditDatabase,
    ) -> None:
        self._connections = connections
        self._keyring = keyring
        self._feed = feed
        self.changes = hub
        self.statistics = connections.statistics
        self.users = SqlUsers(connections)
        self.tokens = SqlTokens(connections)
        self.clusters = SqlClusters(connections, keyring, addresses)
        self.identities = SqlIdentities(connections, keyring)
        self.nonces = SqlNonces(connections)
        self.device_polls = SqlDevicePolls(connections)
        self.providers = SqlProviders(connections, keyring)
        self.claims = SqlProviderClaims(connections)
        self.roles = SqlRoles(connections)
        self.bindings = SqlBindings(connections)
        self.projects = SqlProjects(connections)
        self.fleet = SqlFleet(connections)
        self.leases = SqlLeases(connections)
        self.agent_tokens = SqlAgentTokens(connections)
        self.tunnels = SqlTunnels(connections)
        self.management_clusters = SqlManagementClusters(connections, keyring)
        self.orders = SqlOrders(connections, keyring)
        self.idempotency_records = SqlIdempotencyRecords(connections, keyring)
        self._audit = audit
        self.audit = SqlAuditEvents(audit)

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the database responds."""
        async with self._connections.read() as connection:
            await connection.execute(text("SELECT 1"))

    async def time(self) -> datetime:
        """Return the database's time. SQLite's is this machine's."""
        async with self._connections.read() as connection:
            return await database_time(connection)

    async def rotate_keys(self) -> list[RotatedTable]:
        """Encrypt what other keys encrypted with the first key. Return the result by table.

        Raises StoreUnavailable if a value can't be decrypted.
        """
        return await rotate_sealed_values(self._connections, self._keyring)

    async def check_sealed_values(self) -> list[SealedTable]:
        """Decrypt every encrypted value. Return what was found, by table."""
        async with self._connections.read() as connection:
            return [one async for one in check_sealed_values(connection, self._keyring)]

    async def close(self) -> None:
        """Close every connection."""
        await self._feed.stop()
        await self._audit.close()
        await self._connections.engines.dispose()


async def open_store(
    url: str,
    keyring: Keyring,
    *,
    upgrade: bool = True,
    poll_interval: float = 0.2,
    addresses: AddressPolicy = DEFAULT_POLICY,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> SqlStore:
    """Open the database at ``url``, upgrade its schema, and check the encryption keys.

    ``poll_interval`` (seconds) is the interval of polls for other processes' changes in SQLite.
    ``addresses`` is the policy on connections to the clusters that are read. Raises
    StoreUnavailable, SchemaTooNew, SchemaTooOld (with ``upgrade`` False) or KeyMismatch.
    """
    location = locate(url)
    async with _first_transaction(location, timeouts) as connection:
        await bring_up(connection, location.shown, upgrade=upgrade)
        await check_keys(connection, keyring, location.shown)
    hub = ChangeHub()
    connections = Database(make_engines(location, timeouts), location.shown, hub)
    feed: Feed
    if location.dsn is not None:
        from store.postgresql_feed import PostgresqlFeed  # and asyncpg, which SQLite doesn't need

        feed = connections.notifier = PostgresqlFeed(location, hub)
    else:
        from store.sqlite_feed import SqliteFeed  # and aiosqlite, which PostgreSQL doesn't need

        feed = SqliteFeed(connections.engines.writer, hub, poll_interval, timeouts.look)
    try:
        await feed.start()
    except StoreUnavailable:
        await connections.engines.dispose()
        raise
    audit = AuditDatabase(connections, location, timeouts)
    return SqlStore(connections, keyring, feed, hub, addresses, audit)


async def database_exists(url: str) -> bool:
    """Return whether the database at ``url`` has been set up. Creates nothing.

    Raises StoreUnavailable if a PostgreSQL server does not respond.
    """
    location = locate(url)
    if location.file is not None:
        with translated(location.shown):
            return location.file.exists()
    async with _first_transaction(location) as connection:
        return await connection.run_sync(has_schema)


async def upgrade_database(url: str) -> tuple[str | None, str]:
    """Upgrade the schema. Return the revision before (None: no schema) and after."""
    location = locate(url)
    async with _first_transaction(location) as connection:
        return await bring_up(connection, location.shown, upgrade=True)


@asynccontextmanager
async def _first_transaction(
    location: Location, timeouts: Timeouts = DEFAULT_TIMEOUTS
) -> AsyncIterator[AsyncConnection]:
    """Return a transaction for preparations, with enough time for migrations."""
    with translated(location.shown):
        prepare_files(location)
    engines = make_engines(location, replace(timeouts, statement=MIGRATION_SECONDS))
    try:
        async with Database(engines, location.shown, ChangeHub()).write() as connection:
            yield connection
    finally:
        await engines.dispose()
