"""Batches of changes, from a real hub."""

import asyncio

from management.api.change_batches import batches
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
