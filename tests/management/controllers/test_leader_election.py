"""One replica leads a cluster at a time, and another one takes over when it vanishes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from management.controllers.leader_election import (
    MARGIN_SECONDS,
    RENEW_SECONDS,
    TERM,
    LeaderElection,
)
from store.encryption import Keyring, generate_key
from store.interfaces import Store
from tests.store.direct_access import execute
from tests.store.records import a_cluster
from tests.support.stores import open_new_store
from tests.support.waiting import eventually


class Clock:
    """A clock that tests set."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_new_store(f"sqlite:///{tmp_path}/store.db", Keyring.parse(generate_key()))
    await opened.clusters.create(a_cluster())
    yield opened
    await opened.close()


def quick_election(store: Store, seconds: float) -> LeaderElection:
    """Return an election whose leases have a term of ``seconds``."""
    return LeaderElection(
        store, term=timedelta(seconds=seconds), renew_seconds=0.05, margin_seconds=0.1
    )


async def test_one_of_two_replicas_leads_a_cluster(store: Store) -> None:
    one, other = LeaderElection(store), LeaderElection(store)
    await one.renew()
    await other.renew()
    assert (one.is_leader("c-prod"), other.is_leader("c-prod")) == (True, False)
    await one.release()
    await other.renew()
    assert (one.is_leader("c-prod"), other.is_leader("c-prod")) == (False, True)


async def test_frozen_replica_loses_leadership_before_the_lease_expires(
    store: Store,
) -> None:
    clock = Clock()
    frozen = LeaderElection(store, clock=clock)
    await frozen.renew()
    clock.now += TERM.total_seconds() - MARGIN_SECONDS - 0.1
    assert frozen.is_leader("c-prod")
    clock.now += 0.2
    assert not frozen.is_leader("c-prod")
    assert frozen.led == frozenset()


def test_takeover_takes_less_than_15_seconds() -> None:
    """The lease expires, and then another replica requests it."""
    assert TERM.total_seconds() + RENEW_SECONDS < 15


async def test_lease_of_a_vanished_replica_is_taken_over(
    store: Store,
) -> None:
    vanished = quick_election(store, 3)
    await vanished.renew()
    successor = quick_election(store, 3)
    led_sets: list[frozenset[str]] = []

    async def changed(led: frozenset[str]) -> None:
        # The two never lead at the same time.
        assert not (led and vanished.led)
        led_sets.append(led)

    task = asyncio.create_task(successor.run(changed))
    await eventually(lambda: bool(led_sets) and led_sets[-1] == {"c-prod"})
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert led_sets[0] == frozenset()


async def test_replica_that_cannot_renew_leads_until_the_lease_ends(
    store: Store, tmp_path: Path
) -> None:
    leadership = quick_election(store, 0.8)
    led_sets: list[frozenset[str]] = []

    async def changed(led: frozenset[str]) -> None:
        led_sets.append(led)

    task = asyncio.create_task(leadership.run(changed))
    await eventually(lambda: bool(led_sets) and led_sets[-1] == {"c-prod"})
    # From now on, the database rejects renewals.
    await execute(f"sqlite:///{tmp_path}/store.db", "ALTER TABLE leases RENAME TO gone")
    await eventually(lambda: led_sets[-1] == frozenset())
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
