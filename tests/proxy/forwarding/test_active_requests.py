"""Requests that run, and their end when the right to them ends; over a real store."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from management.resolver import TokenResolver
from proxy.access import Access
from proxy.live import Live, LiveRequests
from store.database import SqlStore, open_store
from store.encryption import Keyring, generate_key
from tests.proxy.accesses import access, caller
from tests.store.records import a_cluster, let_in


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    """Holds the user ``u-1``, who owns the cluster ``c-1``, and the token ``token-1``."""
    keyring = Keyring.parse(generate_key())
    opened = await open_store(f"sqlite:///{tmp_path / 'sekisho.db'}", keyring, poll_interval=0.05)
    await opened.users.create(caller().user)
    await opened.clusters.create(a_cluster(id="c-1"))
    await let_in(opened, "c-1", "u-1", "cluster-owner")
    await opened.tokens.create(caller().token)
    yield opened
    await opened.close()


class Running:
    """A request that runs, as far as the gate's register knows."""

    def __init__(self, live: LiveRequests, of: Access) -> None:
        assert of.resolved is not None
        self.ended = asyncio.Event()
        self.access = of
        live.begin(Live(of, of.resolved, self.ended.set), live.generation)

    async def ends(self) -> bool:
        try:
            await asyncio.wait_for(self.ended.wait(), 5)
        except TimeoutError:
            return False
        return True


@pytest.fixture
async def live(store: SqlStore) -> AsyncIterator[LiveRequests]:
    """A register that follows the store."""
    register = LiveRequests(store, TokenResolver(store))
    tasks = [asyncio.create_task(register.follow_changes())]
    tasks.append(asyncio.create_task(register.end_expired()))
    await asyncio.sleep(0)
    yield register
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def owner() -> Access:
    return access(resolved=caller(roles={"c-1": "cluster-owner"}))


async def test_it_ends_when_its_token_is_revoked(store: SqlStore, live: LiveRequests) -> None:
    running = Running(live, owner())
    await store.tokens.revoke("token-1")
    assert await running.ends()
    assert running.access.note == "the token was revoked, or its user disabled"
    assert len(live) == 0


async def test_it_ends_when_a_grant_is_taken_or_becomes_another(
    store: SqlStore, live: LiveRequests
) -> None:
    running = Running(live, owner())
    await let_in(store, "c-1", "u-1", "cluster-read-only")
    assert await running.ends()


async def test_it_goes_on_when_something_else_changes(store: SqlStore, live: LiveRequests) -> None:
    running = Running(live, owner())
    await store.tokens.create(replace(caller().token, name="token-2", digest=b"\x02" * 32))
    await store.tokens.revoke("token-2")
    await store.users.update("u-1", display_name="Alice")
    # Changes are looked at in order: when the last one has had its effect, all of them had theirs.
    other = access(resolved=caller(name="token-3"))
    ended = Running(live, other)
    await store.users.update("u-1", display_name="Alice B.")
    assert await ended.ends()
    assert not running.ended.is_set()


async def test_what_was_decided_before_a_change_and_begins_after_it_is_looked_at_again(
    store: SqlStore, live: LiveRequests
) -> None:
    before = live.generation
    await store.tokens.revoke("token-1")
    while live.generation == before:
        await asyncio.sleep(0)
    ended = asyncio.Event()
    late = owner()
    assert late.resolved is not None
    live.begin(Live(late, late.resolved, ended.set), before)
    await asyncio.wait_for(ended.wait(), 5)
