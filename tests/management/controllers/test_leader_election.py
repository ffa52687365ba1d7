"""One replica looks after a cluster at a time, and another takes over when it is gone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from management.controllers import leadership as module
from management.controllers.leadership import MARGIN_SECONDS, RENEW_SECONDS, TERM, Leadership
from store.database import open_store
from store.encryption import Keyring, generate_key
from store.interfaces import Store
from tests.parts.waiting import soon
from tests.store.behind import execute
from tests.store.records import a_cluster


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:///{tmp_path}/store.db", Keyring.parse(generate_key()))
    await opened.clusters.create(a_cluster())
    yield opened
    await opened.close()


async def test_one_of_two_looks_after_a_cluster(store: Store) -> None:
    one, other = Leadership(store), Leadership(store)
    await one.renew()
    await other.renew()
    assert (one.leads("c-prod"), other.leads("c-prod")) == (True, False)
    await one.give_up()
    await other.renew()
    assert (one.leads("c-prod"), other.leads("c-prod")) == (False, True)


async def test_who_was_frozen_knows_that_it_leads_no_more_before_the_lease_has_run_out(
    store: Store,
) -> None:
    clock = Clock()
    frozen = Leadership(store, clock=clock)
    await frozen.renew()
    clock.now += TERM.total_seconds() - MARGIN_SECONDS - 0.1
    assert frozen.leads("c-prod")
    clock.now += 0.2
    assert not frozen.leads("c-prod")
    assert frozen.led == frozenset()


def test_another_takes_over_within_15_seconds() -> None:
    """The lease runs out, and the next one asks."""
    assert TERM.total_seconds() + RENEW_SECONDS < 15


async def test_another_takes_over_from_one_that_vanished(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(module, "MARGIN_SECONDS", 0.1)
    vanished = Leadership(store, term=timedelta(seconds=0.6))
    await vanished.renew()
    heir = Leadership(store, term=timedelta(seconds=0.6))
    told: list[frozenset[str]] = []

    async def changed(led: frozenset[str]) -> None:
        # At no moment do both think that they lead.
        assert not (led and vanished.led)
        told.append(led)

    task = asyncio.create_task(heir.run(changed))
    await soon(lambda: bool(told) and told[-1] == {"c-prod"})
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert told[0] == frozenset()


async def test_who_can_not_renew_leads_until_the_lease_ends_and_no_longer(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(module, "MARGIN_SECONDS", 0.1)
    leadership = Leadership(store, term=timedelta(seconds=0.8))
    told: list[frozenset[str]] = []

    async def changed(led: frozenset[str]) -> None:
        told.append(led)

    task = asyncio.create_task(leadership.run(changed))
    await soon(lambda: bool(told) and told[-1] == {"c-prod"})
    # From now on the database fails at it.
    await execute(f"sqlite:///{tmp_path}/store.db", "ALTER TABLE leases RENAME TO gone")
    await soon(lambda: told[-1] == frozenset())
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
