"""Run pure work in a thread if it would block the event loop for long."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

QUICK = 10_000
"""Rules, subjects or grants that are processed in the event loop: about 20 ms. More go to a
thread."""


async def off_loop(size: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the result of ``work``, which takes time in proportion to ``size``."""
    if size <= QUICK:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)
