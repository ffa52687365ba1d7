"""Batches of changes, from a real hub."""

import asyncio

import pytest

from management.api.change_batches import LONGEST_PAUSE, batches, pause_after
from store.changes import ChangeHub
from store.records import Change

LONG = 60.0


async def test_changes_that_arrive_together_are_one_batch() -> None:
    hub = ChangeHub()
    async with hub.subscribe() as changes:
        found = batches(changes, lambda _: True, pause_seconds=0.01, idle_seconds=LONG)
        waiting = asyncio.ensure_future(anext(found))
        await asyncio.sleep(0)
        hub.publish(*(Change("user", f"u-{number}") for number in range(500)))
        assert await waiting is True
        after = asyncio.ensure_future(anext(found))
        await asyncio.wait({after}, timeout=0.1)
        assert not after.done()
        hub.publish(Change("user", "u-1"))
        assert await after is True
        await found.aclose()


async def test_idle_interval_is_reported_in_spite_of_changes_that_do_not_concern() -> None:
    hub = ChangeHub()
    async with hub.subscribe() as changes:
        found = batches(
            changes, lambda change: change.kind == "user", pause_seconds=0.01, idle_seconds=0.05
        )
        waiting = asyncio.ensure_future(anext(found))
        while not waiting.done():
            hub.publish(Change("status", "c-1"))
            await asyncio.sleep(0)
        assert await waiting is False
        await found.aclose()


@pytest.mark.parametrize("streams", [1, 3, 30])
@pytest.mark.parametrize("read_seconds", [0.02, 0.05])
def test_streams_together_read_a_tenth_of_the_time_at_most(
    streams: int, read_seconds: float
) -> None:
    pause = pause_after(read_seconds, streams, 0.1)
    assert streams * read_seconds / (read_seconds + pause) <= 0.1 or pause == LONGEST_PAUSE


async def test_consumer_that_reads_long_is_followed_by_a_longer_pause() -> None:
    hub = ChangeHub()
    async with hub.subscribe() as changes:
        found = batches(
            changes,
            lambda _: True,
            pause_seconds=0.01,
            idle_seconds=LONG,
            streams=lambda: 1_000_000,
        )
        hub.publish(Change("status", "c-1"))
        assert await anext(found) is True
        await asyncio.sleep(0.01)  # The consumer reads.
        hub.publish(Change("status", "c-2"))
        after = asyncio.ensure_future(anext(found))
        await asyncio.wait({after}, timeout=0.2)
        assert not after.done()
        after.cancel()
        await asyncio.wait({after})
        await found.aclose()
