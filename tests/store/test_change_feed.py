"""Tests of the change feed between processes."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiosqlite
import asyncpg
import pytest
from sqlalchemy import text

from store.changes import MAX_BACKLOG, ChangeHub
from store.database import SqlStore, open_store
from store.encryption import Keyring
from store.engine import DEFAULT_TIMEOUTS, Timeouts
from store.records import Change
from tests.store.records import NOW, a_token, a_user
from tests.support.other_connection import other_connection

_REVOKE = """
import asyncio, sys
from store.database import open_store
from store.encryption import Keyring
async def main():
    store = await open_store(sys.argv[1], Keyring([b"k" * 32]))
    print(await store.tokens.revoke("token-a"))
    await store.close()
asyncio.run(main())
"""


SHORT_LOOK = Timeouts(look=0.1)
"""The feed takes the database for busy after 0.1 seconds."""


@pytest.fixture
def keyring() -> Keyring:
    return Keyring([b"k" * 32])


async def _live(store: SqlStore) -> None:
    async with asyncio.timeout(60):
        while not store.changes.live:
            await asyncio.sleep(0.01)


async def _until(changes: AsyncIterator[Change], *expected: Change) -> Change:
    async for change in changes:
        if change in expected:
            return change
    raise AssertionError("the feed ended")


async def test_change_in_same_process_arrives(store: SqlStore) -> None:
    await _live(store)
    async with store.changes.subscribe() as changes:
        await store.users.create(a_user())
        async with asyncio.timeout(60):
            await _until(changes, Change("user", "u-alice"))


async def test_change_of_another_process_arrives(store: SqlStore, url: str) -> None:
    await store.users.create(a_user())
    await store.tokens.create(a_token())
    await _live(store)
    async with store.changes.subscribe() as changes:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _REVOKE, url, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"True\n"
        async with asyncio.timeout(60):
            await _until(changes, Change("token", "token-a"), Change("all"))
        await process.wait()


async def test_token_use_is_not_announced(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.tokens.create(a_token())
    await _live(store)
    async with store.changes.subscribe() as changes:
        await store.tokens.touch([("token-a", NOW)])
        await store.users.update("u-alice", enabled=False)
        async with asyncio.timeout(60):
            assert await anext(changes) == Change("user", "u-alice")


async def test_failed_write_is_not_announced(store: SqlStore) -> None:
    await store.users.create(a_user())
    await _live(store)
    async with store.changes.subscribe() as changes:
        with pytest.raises(Exception, match="exists already"):
            await store.users.create(a_user())
        await store.users.update("u-alice", enabled=False)
        async with asyncio.timeout(60):
            assert await anext(changes) == Change("user", "u-alice")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await anext(changes)


async def test_feed_without_connection_is_not_live_until_reconnected(
    postgres_database: str, keyring: Keyring
) -> None:
    store = await open_store(postgres_database, keyring)
    await _live(store)
    async with store.changes.subscribe() as changes:
        killer = await asyncpg.connect(postgres_database)
        await killer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
        await killer.close()
        async with asyncio.timeout(60):
            while store.changes.live:
                await asyncio.sleep(0.01)
            await _live(store)
            assert await _until(changes, Change("all")) == Change("all")
    await store.ping()
    await store.close()


async def test_slow_subscriber_receives_change_of_all() -> None:
    hub = ChangeHub()
    async with hub.subscribe() as changes:
        for n in range(MAX_BACKLOG + 1):
            hub.publish(Change("user", f"u-{n}"))
        assert await anext(changes) == Change("all")


async def test_slow_subscriber_receives_later_changes() -> None:
    hub = ChangeHub()
    async with hub.subscribe() as changes:
        for n in range(10 * MAX_BACKLOG + 5):
            hub.publish(Change("user", f"u-{n}"))
        hub.publish(Change("token", "token-last"))
        received = [change async for change in _arrived(changes)]
    assert received[0] == Change("all")
    assert received[-1] == Change("token", "token-last")
    assert len(received) <= MAX_BACKLOG


async def test_subscriber_after_timeout_receives_changes() -> None:
    hub = ChangeHub()
    async with hub.subscribe() as changes:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await anext(changes)
        hub.publish(Change("all"))
        assert await anext(changes) == Change("all")


async def test_slow_subscriber_does_not_affect_others() -> None:
    hub = ChangeHub()
    async with hub.subscribe() as slow, hub.subscribe() as quick:
        for n in range(MAX_BACKLOG + 1):
            hub.publish(Change("user", f"u-{n}"))
            assert await anext(quick) == Change("user", f"u-{n}")
        assert await anext(slow) == Change("all")


async def test_failed_subscriber_is_removed() -> None:
    hub = ChangeHub()
    with contextlib.suppress(RuntimeError):
        async with hub.subscribe():
            raise RuntimeError
    hub.publish(Change("all"))
    assert not hub._subscribers


@contextlib.asynccontextmanager
async def on_sqlite(
    folder: Path, keyring: Keyring, timeouts: Timeouts = DEFAULT_TIMEOUTS
) -> AsyncIterator[SqlStore]:
    """Yield a store whose feed is live and polls every 10 ms."""
    url = f"sqlite:///{folder}/x.db"
    store = await open_store(url, keyring, poll_interval=0.01, timeouts=timeouts)
    await _live(store)
    yield store
    await store.close()


async def test_sqlite_writes_of_same_process_announce_no_change_of_all(
    tmp_path: Path, keyring: Keyring
) -> None:
    async with on_sqlite(tmp_path, keyring) as store, store.changes.subscribe() as changes:
        for n in range(20):
            await store.users.create(a_user(f"user{n}"))
            await asyncio.sleep(0.01)
        received = [change async for change in _arrived(changes)]
    assert received == [Change("user", f"u-user{n}") for n in range(20)]


async def test_transaction_of_same_process_keeps_feed_live_and_silent(
    tmp_path: Path, keyring: Keyring
) -> None:
    """A long transaction has the same result, whether it is committed or rolled back."""
    async with on_sqlite(tmp_path, keyring) as store, store.changes.subscribe() as changes:
        for failure in (RuntimeError, None):
            with pytest.raises(failure) if failure else contextlib.nullcontext():
                async with store._connections.write() as connection:
                    await connection.execute(text("CREATE TABLE another (x)"))
                    assert [change async for change in _arrived(changes)] == []
                    assert store.changes.live
                    if failure:
                        raise failure
        assert [change async for change in _arrived(changes)] == []


async def test_closed_sqlite_connection_is_replaced(tmp_path: Path, keyring: Keyring) -> None:
    async with on_sqlite(tmp_path, keyring) as store, store.changes.subscribe() as changes:
        await store._connections.engines.writer.dispose()
        assert await _until(changes, Change("all")) == Change("all")
        await _live(store)
        await store.users.create(a_user())
        assert await _until(changes, Change("user", "u-alice")) == Change("user", "u-alice")
        assert [change async for change in _arrived(changes)] == []


@contextlib.asynccontextmanager
async def blocked_feed(
    folder: Path, keyring: Keyring
) -> AsyncIterator[tuple[SqlStore, AsyncIterator[Change], aiosqlite.Connection]]:
    """Yield a store, its changes, and the connection whose transaction blocks a write of the store.

    The feed is not live, because the write waits. The caller must end the transaction.
    """
    async with (
        on_sqlite(folder, keyring, SHORT_LOOK) as store,
        store.changes.subscribe() as changes,
        other_connection(folder / "x.db") as other,
    ):
        await store.users.create(a_user())
        assert await anext(changes) == Change("user", "u-alice")
        await other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(store.users.update("u-alice", enabled=False))
        async with asyncio.timeout(60):
            while store.changes.live:
                await asyncio.sleep(0.01)
            yield store, changes, other
            await waiting


async def test_feed_blocked_by_sqlite_lock_is_not_live(tmp_path: Path, keyring: Keyring) -> None:
    """The feed's connection is busy with a write that waits for another process."""
    async with blocked_feed(tmp_path, keyring) as (store, changes, other):
        await other.execute("CREATE TABLE another (x)")
        await other.execute("COMMIT")
        await _until(changes, Change("all"))
        await _live(store)


async def test_feed_without_missed_changes_announces_no_change_of_all(
    tmp_path: Path, keyring: Keyring
) -> None:
    """Otherwise a busy moment would empty the caches, which causes more load."""
    async with blocked_feed(tmp_path, keyring) as (store, changes, other):
        await other.execute("ROLLBACK")
        assert await anext(changes) == Change("user", "u-alice")
        await _live(store)
        assert [change async for change in _arrived(changes)] == []


async def test_feed_on_late_event_loop_stays_live(tmp_path: Path, keyring: Keyring) -> None:
    async with on_sqlite(tmp_path, keyring, SHORT_LOOK) as store:
        for _ in range(20):
            time.sleep(0.15)
            await asyncio.sleep(0.001)
            assert store.changes.live


async def _arrived(changes: AsyncIterator[Change]) -> AsyncIterator[Change]:
    """Yield the changes that have arrived, until none arrives for 0.1 seconds."""
    with contextlib.suppress(TimeoutError):
        while True:
            async with asyncio.timeout(0.1):
                change = await anext(changes)
            yield change
