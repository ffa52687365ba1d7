"""A connection to a SQLite file of a store, as another process would have it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiosqlite

_BUSY_SECONDS = 120.0


@asynccontextmanager
async def other_connection(
    file: Path | str, *, timeout: float = _BUSY_SECONDS
) -> AsyncIterator[aiosqlite.Connection]:
    """Connect to ``file``, each statement a transaction of its own unless it begins one.

    Statements run in a thread. On the event loop of a store that has locked the file, they would
    wait for a lock that only this event loop can end. ``timeout``: seconds to wait for a lock.
    """
    async with aiosqlite.connect(file, isolation_level=None, timeout=timeout) as connection:
        yield connection
