"""Batches of the store's changes, for streams that read something again after each batch."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from store.records import Change

ALWAYS = frozenset({"all", "token", "provider"})
"""Kinds that concern every stream, because the caller's access may have ended."""


IDLE_FACTOR = 10.0
"""How many times longer a stream pauses than it reads, for each stream that is open. All of them
together take a tenth of the event loop at most, on which the proxy runs, however many clusters
change their state at the same time."""

LONGEST_PAUSE = 15.0
"""Seconds. Clients expect a heartbeat after twenty."""


def pause_after(read_seconds: float, streams: int, least: float) -> float:
    """Return the seconds until the next read of one of ``streams``, whose last one took so long."""
    return max(least, min(LONGEST_PAUSE, read_seconds * IDLE_FACTOR * streams))


async def batches(
    changes: AsyncIterator[Change],
    concerns: Callable[[Change], bool],
    *,
    pause_seconds: float,
    idle_seconds: float,
    streams: Callable[[], int] = lambda: 1,
) -> AsyncGenerator[bool]:
    """Yield True after changes that ``concerns`` accepts, and False after an idle interval.

    Changes that arrive within ``pause_seconds`` are one batch, so that a consumer reads at most
    once in that time. A read that took long is followed by a longer pause; ``streams`` returns how
    many consumers there are.
    """
    loop = asyncio.get_running_loop()
    read_seconds = 0.0
    waiting: asyncio.Future[Change] | None = None
    idle_at = loop.time() + idle_seconds
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(changes))
            await asyncio.wait({waiting}, timeout=max(0.0, idle_at - loop.time()))
            if waiting.done():
                change, waiting = waiting.result(), None
                if concerns(change):
                    await asyncio.sleep(pause_after(read_seconds, streams(), pause_seconds))
                    waiting = await _drained(changes)
                    began = loop.time()
                    yield True
                    read_seconds = loop.time() - began
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
