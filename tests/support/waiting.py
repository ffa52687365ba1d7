"""Waiting for what happens elsewhere: never longer than needed, never for ever."""

import asyncio
import time
from collections.abc import Awaitable, Callable


def until(condition: Callable[[], bool], seconds: float = 20.0, what: str = "it") -> None:
    """Return as soon as ``condition`` holds; fail where it doesn't within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen in {seconds:g} s"
        time.sleep(0.02)


async def soon(
    condition: Callable[[], Awaitable[object] | object], seconds: float = 20.0, what: str = "it"
) -> None:
    """The same for what runs on a loop: until ``condition()`` is, or comes to, something true."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} has not happened within {seconds:g} s")
        await asyncio.sleep(0.05)
