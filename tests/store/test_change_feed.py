"""What one process changes, every other one knows within a second."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from store.changes import MAX_BACKLOG, ChangeHub
from store.database import SqlStore, open_store
from store.encryption import Keyring
from store.interfaces import Change
from tests.store.records import NOW, a_token, a_user

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


@pytest.fixture
def keyring() -> Keyring:
    return Keyring([b"k" * 32])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look may take no longer than a tenth of a second."""
    monkeypatch.setattr("store.sqlite_feed.LOOK_SECONDS", 0.1)


async def _live(store: SqlStore) -> None:
    async with asyncio.timeout(10):
        while not store.changes.live:
            await asyncio.sleep(0.01)


async def _until(changes: AsyncIterator[Change], *wanted: Change) -> Change:
    async for change in changes:
        if change in wanted:
            return change
    raise AssertionError("the feed ended")


async def test_this_process_knows_at_once(store: SqlStore) -> None:
    await _live(store)
    async with store.changes.subscribe() as changes:
        await store.users.create(a_user())
        async with asyncio.timeout(0.5):
            await _until(changes, Change("user", "u-alice"))


async def test_another_process_is_heard_within_a_second(store: SqlStore, url: str) -> None:
    await store.users.create(a_user())
    await store.tokens.create(a_token())
    await _live(store)
    async with store.changes.subscribe() as changes:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _REVOKE, url, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"True\n"
        async with asyncio.timeout(1):
            await _until(changes, Change("token", "token-a"), Change("all"))
        await process.wait()


async def test_touching_tokens_is_nobodys_news(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.tokens.create(a_token())
    await _live(store)
    async with store.changes.subscribe() as changes:
        await store.tokens.touch([("token-a", NOW)])
        await store.users.update("u-alice", enabled=False)
        async with asyncio.timeout(1):
            assert await anext(changes) == Change("user", "u-alice")


async def test_a_write_that_fails_is_not_announced(store: SqlStore) -> None:
    await store.users.create(a_user())
    await _live(store)
    async with store.changes.subscribe() as changes:
        with pytest.raises(Exception, match="exists already"):
            await store.users.create(a_user())
        await store.users.update("u-alice", enabled=False)
        async with asyncio.timeout(1):
            assert await anext(changes) == Change("user", "u-alice")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await anext(changes)


async def test_a_feed_that_lost_its_connection_says_so_and_comes_back(
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
        async with asyncio.timeout(10):
            while store.changes.live:
                await asyncio.sleep(0.01)
            await _live(store)
            assert await _until(changes, Change("all")) == Change("all")
    await store.ping()
    await store.close()


async def test_a_subscriber_that_falls_behind_is_told_that_all_may_be_stale() -> None:
    hub = ChangeHub()
    async with hub.subscribe() as changes:
        for n in range(MAX_BACKLOG + 1):
            hub.publish(Change("user", f"u-{n}"))
        assert await anext(changes) == Change("all")


async def test_a_subscriber_that_falls_behind_hears_what_comes_after() -> None:
    hub = ChangeHub()
    async with hub.subscribe() as changes:
        for n in range(10 * MAX_BACKLOG + 5):
            hub.publish(Change("user", f"u-{n}"))
        hub.publish(Change("token", "token-last"))
        heard = [change async for change in _as_many_as_wait(changes)]
    assert heard[0] == Change("all")
    assert heard[-1] == Change("token", "token-last")
    assert len(heard) <= MAX_BACKLOG


async def test_a_subscriber_may_stop_waiting_and_go_on() -> None:
    hub = ChangeHub()
    async with hub.subscribe() as changes:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await anext(changes)
        hub.publish(Change("all"))
        assert await anext(changes) == Change("all")


async def test_one_slow_subscriber_costs_the_others_nothing() -> None:
    hub = ChangeHub()
    async with hub.subscribe() as slow, hub.subscribe() as quick:
        for n in range(MAX_BACKLOG + 1):
            hub.publish(Change("user", f"u-{n}"))
            assert await anext(quick) == Change("user", f"u-{n}")
        assert await anext(slow) == Change("all")


async def test_a_subscriber_that_left_is_forgotten() -> None:
    hub = ChangeHub()
    with contextlib.suppress(RuntimeError):
        async with hub.subscribe():
            raise RuntimeError
    hub.publish(Change("all"))
    assert not hub._subscribers


@contextlib.asynccontextmanager
async def on_sqlite(folder: Path, keyring: Keyring) -> AsyncIterator[SqlStore]:
    """A store whose feed looks all the time, and is live."""
    store = await open_store(f"sqlite:///{folder}/x.db", keyring, poll_interval=0.01)
    await _live(store)
    yield store
    await store.close()


async def test_own_writes_to_sqlite_do_not_make_everything_stale(
    tmp_path: Path, keyring: Keyring
) -> None:
    async with on_sqlite(tmp_path, keyring) as store, store.changes.subscribe() as changes:
        for n in range(20):
            await store.users.create(a_user(f"user{n}"))
            await asyncio.sleep(0.01)
        heard = [change async for change in _as_many_as_wait(changes)]
    assert heard == [Change("user", f"u-user{n}") for n in range(20)]


async def test_an_own_transaction_is_looked_through_and_is_no_news(
    tmp_path: Path, keyring: Keyring
) -> None:
    """However long it takes, committed or taken back."""
    async with on_sqlite(tmp_path, keyring) as store, store.changes.subscribe() as changes:
        for failure in (RuntimeError, None):
            with pytest.raises(failure) if failure else contextlib.nullcontext():
                async with store._connections.write() as connection:
                    await connection.execute(text("CREATE TABLE another (x)"))
                    assert [change async for change in _as_many_as_wait(changes)] == []
                    assert store.changes.live
                    if failure:
                        raise failure
        assert [change async for change in _as_many_as_wait(changes)] == []


async def test_a_connection_to_sqlite_that_was_closed_is_replaced(
    tmp_path: Path, keyring: Keyring
) -> None:
    async with on_sqlite(tmp_path, keyring) as store, store.changes.subscribe() as changes:
        await store._connections.engines.writer.dispose()
        assert await _until(changes, Change("all")) == Change("all")
        await _live(store)
        await store.users.create(a_user())
        assert await _until(changes, Change("user", "u-alice")) == Change("user", "u-alice")
        assert [change async for change in _as_many_as_wait(changes)] == []


@contextlib.asynccontextmanager
async def kept_waiting(
    folder: Path, keyring: Keyring
) -> AsyncIterator[tuple[SqlStore, AsyncIterator[Change], sqlite3.Connection]]:
    """A store whose feed isn't live, for a write of its own waits for another connection's.

    With it come its changes, and that connection, in a transaction; the write must get its turn.
    """
    async with on_sqlite(folder, keyring) as store, store.changes.subscribe() as changes:
        await store.users.create(a_user())
        assert await anext(changes) == Change("user", "u-alice")
        other = sqlite3.connect(folder / "x.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(store.users.update("u-alice", enabled=False))
        async with asyncio.timeout(5):
            while store.changes.live:
                await asyncio.sleep(0.01)
            yield store, changes, other
            await waiting
        other.close()


@pytest.mark.usefixtures("quick")
async def test_a_feed_that_sqlite_keeps_waiting_is_not_live(
    tmp_path: Path, keyring: Keyring
) -> None:
    """Its connection is busy with a write that waits for another process."""
    async with kept_waiting(tmp_path, keyring) as (store, changes, other):
        other.execute("CREATE TABLE something_of_the_others (x)")
        other.execute("COMMIT")
        await _until(changes, Change("all"))
        await _live(store)


@pytest.mark.usefixtures("quick")
async def test_a_feed_that_missed_nothing_makes_nothing_stale(
    tmp_path: Path, keyring: Keyring
) -> None:
    """A busy moment must not cost everything that is remembered: that would make more of them."""
    async with kept_waiting(tmp_path, keyring) as (store, changes, other):
        other.execute("ROLLBACK")
        assert await anext(changes) == Change("user", "u-alice")
        await _live(store)
        assert [change async for change in _as_many_as_wait(changes)] == []


@pytest.mark.usefixtures("quick")
async def test_a_loop_that_is_late_itself_still_hears_the_database(
    tmp_path: Path, keyring: Keyring
) -> None:
    async with on_sqlite(tmp_path, keyring) as store:
        for _ in range(20):
            time.sleep(0.15)
            await asyncio.sleep(0.001)
            assert store.changes.live


async def _as_many_as_wait(changes: AsyncIterator[Change]) -> AsyncIterator[Change]:
    """What has arrived already; then nothing for a moment."""
    with contextlib.suppress(TimeoutError):
        while True:
            async with asyncio.timeout(0.1):
                change = await anext(changes)
            yield change
