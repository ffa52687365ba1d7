"""Tests of concurrent and cancelled callers."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from store.database import SqlStore, open_store
from store.encryption import Keyring
from store.engine import Timeouts
from store.errors import StoreUnavailable
from store.records import Change, Membership, NewPassword
from tests.store.records import a_cluster, a_token, a_user, let_in
from tests.support.other_connection import other_connection

_OPEN = """
import asyncio, sys
from store.database import open_store
from store.encryption import Keyring
async def main():
    store = await open_store(sys.argv[1], Keyring([b"k" * 32]))
    await store.ping()
    await store.close()
asyncio.run(main())
"""


async def test_many_processes_start_on_empty_database_together(url: str) -> None:
    async def start() -> int | None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _OPEN, url, stderr=subprocess.PIPE
        )
        _, errors = await process.communicate()
        assert not errors, errors.decode()
        return process.returncode

    assert await asyncio.gather(*(start() for _ in range(5))) == [0] * 5


async def test_concurrent_group_refreshes_of_one_user_succeed(store: SqlStore) -> None:
    await store.users.create(a_user())
    groups = [Membership(f"github_team://{n}", "github", f"team {n}") for n in range(20)]
    await asyncio.gather(
        *(store.users.set_memberships("u-alice", "github", groups[n:]) for n in range(10)),
        *(store.users.set_memberships("u-alice", "github", groups[n::-1]) for n in range(10)),
    )
    assert set(await store.users.memberships("u-alice")) <= set(groups)


async def test_concurrent_role_and_password_changes_succeed(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.clusters.create(a_cluster())
    work: list[Coroutine[Any, Any, object]] = []
    for n in range(10):
        work.append(let_in(store, "c-prod", "u-alice", "cluster-owner"))
        work.append(store.users.set_password("u-alice", NewPassword("alice", f"hash {n}")))
    await asyncio.gather(*work)
    held = await store.bindings.of_subjects("u-alice", [])
    assert [one.role_id for one in held] == ["cluster-owner"]


async def test_committed_change_of_cancelled_caller_is_announced(store: SqlStore) -> None:
    """A client that disconnects cancels its request, after the revocation may be committed."""
    await store.users.create(a_user())
    for n in range(60):
        await store.tokens.create(a_token(f"token-{n}"))
    seen: set[str | None] = set()

    async def listen() -> None:
        async with store.changes.subscribe() as changes:
            ready.set()
            async for change in changes:
                seen.update(revoked if change == Change("all") else {change.key})

    revoked: set[str] = set()
    ready = asyncio.Event()
    listener = asyncio.create_task(listen())
    await ready.wait()
    for n in range(60):
        task = asyncio.create_task(store.tokens.revoke(f"token-{n}"))
        for _ in range(n):
            await asyncio.sleep(0)
        await asyncio.sleep(n * 0.0001)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if await store.tokens.get(f"token-{n}") is None:
            revoked.add(f"token-{n}")
    async with asyncio.timeout(60):
        while not revoked <= seen:
            await asyncio.sleep(0.01)
    listener.cancel()
    await asyncio.gather(listener, return_exceptions=True)


async def test_cancelled_callers_leak_no_connection(store: SqlStore) -> None:
    await store.users.create(a_user())

    async def cancelled_soon(n: int) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(n * 0.0005):
                await store.users.update("u-alice", display_name=f"Alice {n}")
                await store.users.list_all()

    await asyncio.gather(*(cancelled_soon(n) for n in range(40)))
    for _ in range(40):
        await store.users.list_all()
    await store.users.update("u-alice", enabled=False)


async def test_callers_wait_for_free_connection(store: SqlStore) -> None:
    await store.users.create(a_user())
    found = await asyncio.gather(*(store.users.get("u-alice") for _ in range(200)))
    assert all(found)


async def test_sqlite_reads_succeed_while_another_process_writes(tmp_path: Path) -> None:
    url, timeouts = f"sqlite:///{tmp_path}/x.db", Timeouts(busy=1.0)
    store = await open_store(url, Keyring([b"k" * 32]), timeouts=timeouts)
    await store.users.create(a_user())
    async with other_connection(tmp_path / "x.db") as other:
        await other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(store.users.update("u-alice", enabled=False))
        async with asyncio.timeout(60):
            for _ in range(20):
                assert await store.users.get("u-alice") == a_user()
                await asyncio.sleep(0.001)
        with pytest.raises(StoreUnavailable, match="locked by another process"):
            await waiting
    await store.users.update("u-alice", enabled=False)
    await store.close()
