"""Tests of the errors that unusable databases cause at start."""

import asyncio
import stat
from pathlib import Path

import pytest

from store.database import open_store, upgrade_database
from store.encryption import Keyring, generate_key
from store.engine import Timeouts
from store.errors import SchemaTooOld, StoreUnavailable
from tests.support.other_connection import other_connection


@pytest.fixture
def keyring() -> Keyring:
    return Keyring.parse(generate_key())


async def test_new_file_is_readable_by_owner_only(tmp_path: Path, keyring: Keyring) -> None:
    file = tmp_path / "x.db"
    store = await open_store(f"sqlite:///{file}", keyring)
    await store.close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_older_schema_without_automatic_upgrade_is_refused(
    url: str, keyring: Keyring
) -> None:
    with pytest.raises(SchemaTooOld, match="sekisho admin db upgrade"):
        await open_store(url, keyring, upgrade=False)
    before, now = await upgrade_database(url)
    assert before is None
    assert await upgrade_database(url) == (now, now)
    store = await open_store(url, keyring, upgrade=False)
    await store.close()


async def test_many_replicas_start_on_empty_database_together(url: str, keyring: Keyring) -> None:
    stores = await asyncio.gather(*(open_store(url, keyring) for _ in range(4)))
    for store in stores:
        await store.ping()
        await store.close()


async def test_missing_folder_is_named(tmp_path: Path, keyring: Keyring) -> None:
    with pytest.raises(StoreUnavailable, match=r"folder .*/none doesn't exist"):
        await open_store(f"sqlite:///{tmp_path}/none/x.db", keyring)


async def test_file_without_database_is_named(tmp_path: Path, keyring: Keyring) -> None:
    (tmp_path / "x.db").write_bytes(b"hello " * 1000)
    with pytest.raises(StoreUnavailable, match=r"x\.db is not usable: the file is not a SQLite"):
        await open_store(f"sqlite:///{tmp_path}/x.db", keyring)


async def test_locked_database_is_reported(tmp_path: Path, keyring: Keyring) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    await upgrade_database(url)
    async with other_connection(tmp_path / "x.db") as holder:
        await holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable, match="locked by another process"):
            await open_store(url, keyring, timeouts=Timeouts(busy=0.1))


async def test_unreachable_postgresql_is_reported_without_its_password(
    keyring: Keyring, unused_port: int
) -> None:
    with pytest.raises(StoreUnavailable, match="nothing listens there") as caught:
        await open_store(f"postgresql://bob:hunter2@127.0.0.1:{unused_port}/x", keyring)
    assert "hunter2" not in str(caught.value)


async def test_wrong_password_is_reported(postgres_database: str, keyring: Keyring) -> None:
    before, _, after = postgres_database.partition("@")
    wrong = before.rpartition(":")[0] + ":hunter2@" + after
    with pytest.raises(StoreUnavailable, match="user name or password is wrong") as caught:
        await open_store(wrong, keyring)
    assert "hunter2" not in str(caught.value)
