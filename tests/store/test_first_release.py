"""Tests of a database that the first release made."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from store.changes import ChangeHub
from store.connections import Database
from store.database import open_store, upgrade_database
from store.encryption import Keyring
from store.engine import make_engines
from store.locations import locate
from store.records import Principal, PrincipalRecord
from store.schema import HEAD

_OLD_CLUSTER = (
    "INSERT INTO clusters VALUES "
    "('c-1', 'prod', '[]', null, null, '', null, 'static', null, '2026-01-01', 'id')"
)


async def _old_database(url: str) -> None:
    """Create a database of the first release with a user, a group and a token."""

    def old(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", "store:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in (
            "INSERT INTO users VALUES ('u-old', 'old', 'Old', true, false, '2026-01-01 00:00:00')",
            "INSERT INTO principals VALUES ('local://u-old', 'u-old', 'local', 'old')",
            "INSERT INTO memberships VALUES ('u-old', 'ldap', 'ldap_group://1', 'ops')",
            "INSERT INTO passwords VALUES ('u-old', 'old', 'old', 'h', false)",
            "INSERT INTO users VALUES ('u-root', 'root', 'R', true, true, '2026-01-01 00:00:00')",
            _OLD_CLUSTER,
            "INSERT INTO grants VALUES ('c-1', 'u-old', 'read-only')",
        ):
            connection.execute(text(statement))

    location = locate(url)
    connections = Database(make_engines(location), location.shown, ChangeHub())
    async with connections.write() as connection:
        await connection.run_sync(old)
    await connections.engines.dispose()


async def test_database_of_first_release_keeps_its_data(url: str, keyring: Keyring) -> None:
    await _old_database(url)
    assert await upgrade_database(url) == ("0001", HEAD)
    store = await open_store(url, keyring)
    try:
        old = await store.users.get("u-old")
        assert old is not None
        assert old.principals == (Principal("local://u-old", "local", "old"),)
        assert [one.name for one in await store.users.memberships("u-old")] == ["ops"]
        assert await store.users.password("old") is not None
        known = PrincipalRecord("local://u-old", "u-old", "local", "old")
        assert await store.identities.get("local://u-old") == known
        assert not old.administrator
        assert await store.users.any_administrator()
        [held] = await store.bindings.in_cluster("c-1")
        assert (held.user_id, held.role_id, held.name) == ("u-old", "cluster-read-only", "old")
    finally:
        await store.close()
