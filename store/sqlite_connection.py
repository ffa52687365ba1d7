"""aiosqlite's connection, which ends once also if it is ended twice."""

import asyncio
import sqlite3
from typing import Any

import aiosqlite

_ROWS_AT_ONCE = 64
"""aiosqlite's own number of rows that an iteration fetches at once."""


class SqliteConnection(aiosqlite.Connection):
    """A connection whose thread is stopped at most once.

    If a caller is cancelled again while SQLAlchemy closes the connection of its cancelled
    statement, SQLAlchemy also stops it. The thread ends at the first of both. The second is never
    answered, and the task that waits for it never ends, nor does the event loop at the end.
    """

    _is_stopped = False

    def stop(self) -> asyncio.Future[Any] | None:
        """Stop the thread. Return None if it is stopping already."""
        if self._is_stopped:
            return None
        self._is_stopped = True
        return super().stop()


def connect(database: str, **options: Any) -> SqliteConnection:
    """Return a connection that is opened when it is awaited, for SQLAlchemy's dialect."""
    connection = SqliteConnection(lambda: sqlite3.connect(database, **options), _ROWS_AT_ONCE)
    # As the dialect does: a thread that waits for a lock keeps no process from ending.
    connection._thread.daemon = True
    return connection
