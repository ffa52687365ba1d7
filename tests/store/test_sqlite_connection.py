"""Connections to SQLite whose callers are cancelled."""

import asyncio
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest

from store.database import open_store
from store.encryption import Keyring, generate_key
from store.sqlite_connection import connect
from tests.store.records import a_user
from tests.support.other_connection import other_connection
from tests.support.waiting import eventually, wait_until


async def test_write_that_is_cancelled_again_and_again_leaves_no_task(tmp_path: Path) -> None:
    """As at a stop of the server, while another process has locked the database."""
    file = tmp_path / "sekisho.db"
    store = await open_store(f"sqlite:///{file}", Keyring.parse(generate_key()))
    before = asyncio.all_tasks()
    async with other_connection(file) as other:
        await other.execute("BEGIN EXCLUSIVE")
        write = asyncio.create_task(store.users.create(a_user()))
        await asyncio.wait({write}, timeout=0.3)  # so long, the database is locked
        while not write.done():
            write.cancel()
            for _ in range(5):
                await asyncio.sleep(0)
        with suppress(asyncio.CancelledError):
            await write
        await other.execute("ROLLBACK")
    await eventually(lambda: asyncio.all_tasks() <= before)
    await store.close()


def test_thread_that_answers_after_the_end_of_the_loop_ends_silently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at the end of the server, while another process has locked the database."""
    failures: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", failures.append)
    file = tmp_path / "locked.db"
    threads: list[threading.Thread] = []

    async def write() -> None:
        connection = await connect(str(file), timeout=120)
        threads.append(connection._thread)
        begin = asyncio.ensure_future(connection.execute("BEGIN IMMEDIATE"))
        await asyncio.sleep(0)
        begin.cancel()
        connection.stop()

    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN EXCLUSIVE")
        asyncio.run(write())
        other.rollback()
    wait_until(lambda: not threads[0].is_alive(), what="the end of the thread")
    assert failures == []
