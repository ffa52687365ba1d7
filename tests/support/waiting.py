"""Wait for a condition, with a time limit."""

import asyncio
import time
from collections.abc import Awaitable, Callable

BUSY_SECONDS = 90.0
"""Minimum of limits of ten seconds or more, which only end hanging tests, on a busy machine.
Shorter limits state how soon something must happen, and stay unchanged."""

LEAST_SECONDS = 60
"""Minimum of limits on anything else that tests wait for (``asyncio.timeout``)."""


def _limit(seconds: float) -> float:
    return max(seconds, BUSY_SECONDS) if seconds >= 10 else seconds


def _message(what: str | Callable[[], str], limit: float) -> str:
    return f"waited {limit:g} s for {what if isinstance(what, str) else what()}"


def wait_until(
    condition: Callable[[], bool],
    seconds: float = 20.0,
    what: str | Callable[[], str] = "a condition",
) -> None:
    """Poll until ``condition`` holds. Fails after ``seconds``.

    ``what`` is what is awaited, for the message, or a function that returns it at the end.
    """
    limit = _limit(seconds)
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, _message(what, limit)
        time.sleep(0.02)


async def eventually(
    condition: Callable[[], Awaitable[object] | object],
    seconds: float = 20.0,
    what: str | Callable[[], str] = "a condition",
) -> None:
    """Poll on the event loop until ``condition()``, or its awaited result, is true.

    ``what`` is as in :func:`wait_until`.
    """
    limit = _limit(seconds)
    deadline = time.monotonic() + limit
    while True:
        found = condition()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return
        if time.monotonic() > deadline:
            raise AssertionError(_message(what, limit))
        await asyncio.sleep(0.05)
