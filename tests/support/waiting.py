"""Wait for a condition, with a time limit."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

BUSY_SECONDS = 90.0
"""Minimum of limits of ten seconds or more, which only end hanging tests, on a busy machine.
Shorter limits state how soon something must happen. They grow by how late this machine is."""

HOPS = 5
"""Processes and threads that take part in what is awaited; each may have to wait for a core."""

MOST_SECONDS = 60.0
"""Seconds by which a busy machine may prolong a wait, or the limit of the wait if that is more."""

LEAST_SECONDS = 60
"""Minimum of limits on anything else that tests wait for (``asyncio.timeout``)."""


def _limit(seconds: float) -> float:
    return max(seconds, BUSY_SECONDS) if seconds >= 10 else seconds


def _allowance(limit: float, late: float) -> float:
    return min(HOPS * late, max(limit, MOST_SECONDS))


def _message(what: str | Callable[[], str], limit: float) -> str:
    return f"waited {limit:g} s for {what if isinstance(what, str) else what()}"


def wait_until(
    condition: Callable[[], bool],
    seconds: float = 20.0,
    what: str | Callable[[], str] = "a condition",
) -> None:
    """Poll until ``condition`` holds. Fails after ``seconds``, or later if this machine is late.

    ``what`` is what is awaited, for the message, or a function that returns it at the end.
    """
    if condition():
        return
    limit = _limit(seconds)
    with _lateness() as late:
        deadline = time.monotonic() + limit
        while True:
            time.sleep(0.02)
            if condition():
                return
            assert time.monotonic() < deadline + _allowance(limit, late()), _message(what, limit)


async def eventually(
    condition: Callable[[], Awaitable[object] | object],
    seconds: float = 20.0,
    what: str | Callable[[], str] = "a condition",
) -> None:
    """Poll on the event loop until ``condition()``, or its awaited result, is true.

    ``what`` is as in :func:`wait_until`.
    """
    limit = _limit(seconds)
    with _lateness() as late:
        deadline = time.monotonic() + limit
        while True:
            found = condition()
            if isinstance(found, Awaitable):
                found = await found
            if found:
                return
            if time.monotonic() > deadline + _allowance(limit, late()):
                raise AssertionError(_message(what, limit))
            await asyncio.sleep(0.05)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Assert that the block takes at most ``seconds``, or more if this machine is late."""
    with _lateness() as late:
        began = time.monotonic()
        yield
        took = time.monotonic() - began
    assert took <= seconds + HOPS * late(), f"took {took:.2f} s, of which it waited {late():.2f} s"


@contextmanager
def _lateness() -> Iterator[Callable[[], float]]:
    """Yield a function that returns for how many seconds this machine has been late so far.

    A thread that only sleeps measures how long it has to wait for a core. On an idle machine that
    adds milliseconds. A limit without it would fail where others use the machine.
    """
    done, seconds = threading.Event(), 0.0

    def measure() -> None:
        nonlocal seconds
        while not done.is_set():
            began = time.monotonic()
            if not done.wait(0.02):
                seconds += time.monotonic() - began - 0.02

    thread = threading.Thread(target=measure, name="lateness", daemon=True)
    thread.start()
    try:
        yield lambda: seconds
    finally:
        done.set()
        thread.join()
