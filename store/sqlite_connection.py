"""aiosqlite's connection, which ends once also if it is ended twice, and ends silently."""

import asyncio
import sqlite3
import threading
from queue import SimpleQueue
from typing import Any

import aiosqlite
from aiosqlite.core import _connection_worker_thread

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
    # A daemon, as the dialect's: a thread that waits for a lock keeps no process from ending.
    connection._thread = threading.Thread(
        target=_work, args=(connection._tx,), name="sqlite", daemon=True
    )
    return connection


def _work(waiting: SimpleQueue[Any]) -> None:
    """Run statements until the connection is stopped.

    A cancelled statement that waits for a lock may end after the event loop. Its answer raises
    RuntimeError then, which would end aiosqlite's thread with a traceback, before its last work:
    to close the database.
    """
    while True:
        try:
            _connection_worker_thread(waiting)
        except RuntimeError:
            if not waiting.empty():
                continue
        return
