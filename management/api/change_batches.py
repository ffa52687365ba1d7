"""Batches of the store's changes, for streams that read something again after each batch."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from store.records import Change

ALWAYS = frozenset({"all", "token", "provider"})
"""Kinds that concern every stream, because the caller's access may have ended."""


async def batches(
    changes: AsyncIterator[Change],
    concerns: Callable[[Change], bool],
    *,
    pause_seconds: float,
    idle_seconds: float,
) -> AsyncGenerator[bool]:
    """Yield True after changes that ``concerns`` accepts, and False after an idle interval.

    Changes that arrive within ``pause_seconds`` are one batch, so that a consumer reads at most
    once in that time.
    """
    loop = asyncio.get_running_loop()
    waiting: asyncio.Future[Change] | None = None
    idle_at = loop.time() + idle_seconds
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(changes))
            await asyncio.wait({waiting}, timeout=max(0.0, idle_at - loop.time()))
            if waiting.done():
                change, waiting = waiting.result(), None
                if concerns(change):
                    await asyncio.sleep(pause_seconds)
                    waiting = await _drained(changes)
                    yield True
                    idle_at = loop.time() + idle_seconds
            if loop.time() >= idle_at:
                yield False
                idle_at = loop.time() + idle_seconds
    finally:
        if waiting is not None:
            waiting.cancel()


async def _drained(changes: AsyncIterator[Change]) -> asyncio.Future[Change]:
    """Drop the changes that have arrived: the next read includes them. Return the wait for more."""
    while True:
        waiting = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0)
        if not waiting.done():
            return waiting
        waiting.result()
