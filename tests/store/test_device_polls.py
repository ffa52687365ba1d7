"""Tests of intervals between device polls, over both databases."""

import asyncio
from datetime import datetime, timedelta

from store.database import SqlStore
from tests.store.records import NOW

FIVE, MINUTE = timedelta(seconds=5), timedelta(seconds=60)
END = NOW + timedelta(hours=1)


async def poll(store: SqlStore, at: datetime, value: str = "code") -> timedelta | None:
    return await store.device_polls.poll(value, at, FIVE, END, slower=FIVE, most=MINUTE)


async def test_poll_after_interval_is_allowed(store: SqlStore) -> None:
    assert await poll(store, NOW) is None
    assert await poll(store, NOW + FIVE) is None
    assert await poll(store, NOW + FIVE, "another") is None


async def test_early_poll_extends_interval(store: SqlStore) -> None:
    await poll(store, NOW)
    early = NOW + timedelta(seconds=1)
    assert await poll(store, early) == 2 * FIVE
    assert await poll(store, early + FIVE) == 3 * FIVE
    assert await poll(store, early + FIVE + 3 * FIVE) is None
    assert await poll(store, early + FIVE + 3 * FIVE + 3 * FIVE) is None


async def test_interval_is_bounded(store: SqlStore) -> None:
    slowed = [await poll(store, NOW) for _ in range(30)]
    assert slowed[-1] == MINUTE


async def test_provider_extends_interval(store: SqlStore) -> None:
    await poll(store, NOW)
    await store.device_polls.slow_down("code", NOW, MINUTE)
    await store.device_polls.slow_down("code", NOW, FIVE)
    assert await poll(store, NOW + FIVE) == MINUTE


async def test_concurrent_polls_allow_one(store: SqlStore) -> None:
    for at in (NOW, NOW + timedelta(minutes=30)):
        polls = await asyncio.gather(*(poll(store, at) for _ in range(10)))
        assert polls.count(None) == 1


async def test_polls_of_ended_sign_ins_are_deleted(store: SqlStore) -> None:
    await poll(store, NOW)
    assert await store.device_polls.clear(NOW) == 0
    assert await store.device_polls.clear(END + FIVE) == 1
