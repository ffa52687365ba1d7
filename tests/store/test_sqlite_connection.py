"""Connections to SQLite whose callers are cancelled."""

import asyncio
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from store.database import open_store
from store.encryption import Keyring, generate_key
from tests.store.records import a_user
from tests.support.waiting import eventually


async def test_write_that_is_cancelled_again_and_again_leaves_no_task(tmp_path: Path) -> None:
    """As at a stop of the server, while another process has locked the database."""
    file = tmp_path / "sekisho.db"
    store = await open_store(f"sqlite:///{file}", Keyring.parse(generate_key()))
    before = asyncio.all_tasks()
    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN EXCLUSIVE")
        write = asyncio.create_task(store.users.create(a_user()))
        await asyncio.wait({write}, timeout=0.3)  # so long, the database is locked
        while not write.done():
            write.cancel()
            for _ in range(5):
                await asyncio.sleep(0)
        with suppress(asyncio.CancelledError):
            await write
        other.rollback()
    await eventually(lambda: asyncio.all_tasks() <= before, 5)
    await store.close()
