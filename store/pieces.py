"""Handle many values in pieces, so that the event loop does other work in between."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

PIECE = 25
"""Values between two turns of the event loop. To decrypt the tokens of a cluster, the most work for
one row, takes 0.1 to 0.3 ms."""

T = TypeVar("T")


async def in_pieces(values: Iterable[T], size: int = PIECE) -> AsyncIterator[T]:
    """Yield the values, and let the event loop turn after each ``size`` of them."""
    for count, value in enumerate(values, 1):
        yield value
        if count % size == 0:
            await asyncio.sleep(0)
