"""Tests of the queries that the store sends at start."""

from datetime import UTC, datetime

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import event

from management.identity.users import new_user
from store.database import open_store, upgrade_database
from store.encryption import Keyring
from store.engine import make_engines
from store.locations import locate
from store.records import ClusterStatus
from store.schema import HEAD, bring_up
from tests.proxy.upstream.test_registry import CLUSTER

KEYS = Keyring([b"k" * 32])


def test_head_is_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", "store:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


async def test_schema_at_head_is_read_and_not_changed(url: str) -> None:
    assert await upgrade_database(url) == (None, HEAD)
    location = locate(url)
    engines = make_engines(location)
    statements: list[str] = []
    event.listen(
        engines.writer.sync_engine,
        "before_cursor_execute",
        lambda *values: statements.append(values[2]),
    )
    try:
        async with engines.writer.begin() as connection:
            assert await bring_up(connection, location.shown, upgrade=False) == (HEAD, HEAD)
    finally:
        await engines.dispose()
    changing = ("CREATE", "ALTER", "INSERT", "UPDATE", "DELETE")
    assert not [one for one in statements if one.lstrip().upper().startswith(changing)]
    assert statements[-1] == "SELECT version_num FROM alembic_version"


async def test_has_any_and_ids_report_stored_users_and_clusters(url: str) -> None:
    store = await open_store(url, KEYS)
    try:
        assert (await store.users.has_any(), list(await store.clusters.ids())) == (False, [])
        await store.users.create(new_user("alice"))
        await store.clusters.create(CLUSTER)
        assert (await store.users.has_any(), list(await store.clusters.ids())) == (
            True,
            [CLUSTER.id],
        )
    finally:
        await store.close()


async def test_status_of_one_cluster_is_returned(url: str) -> None:
    store = await open_store(url, KEYS)
    try:
        await store.clusters.create(CLUSTER)
        assert await store.fleet.status(CLUSTER.id) is None
        status = ClusterStatus(CLUSTER.id, {"version": "v1.36.3"}, datetime.now(UTC))
        await store.fleet.put_status(status)
        assert await store.fleet.status(CLUSTER.id) == status
        assert await store.fleet.statuses() == {CLUSTER.id: status}
    finally:
        await store.close()
