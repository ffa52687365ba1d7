"""Changes of other processes to the same SQLite file, found by polling its version."""

import asyncio
import contextlib

import aiosqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from config.loggers import get_logger
from store.changes import ChangeHub
from store.engine import SERIAL
from store.error_translation import translated
from store.errors import StoreError, StoreUnavailable
from store.records import Change

_TURNS = 10
"""In how many parts ``look_seconds`` are waited. A loop that is late itself (overloaded, or stopped
for a while) comes back to a timer that is due and an answer that is there, and must see it."""

_LOG = get_logger(__name__)


class SqliteFeed:
    """Polls every ``interval`` seconds, through the connection that this process writes with.

    The version changes when *another* connection commits. Versions of different connections are
    not comparable, so a new connection counts as a change.

    A poll is one call to the connection's thread, even between the statements of a transaction: no
    other process can write then. A connection from the pool would be available only after a
    transaction, and in a busy loop only after many iterations. The feed is not live while a poll
    takes longer than ``look_seconds``: a statement on the connection waits for another process.
    """

    def __init__(
        self, engine: AsyncEngine, hub: ChangeHub, interval: float, look_seconds: float
    ) -> None:
        self._engine = engine
        self._hub = hub
        self._interval = interval
        self._look_seconds = look_seconds
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._connection: aiosqlite.Connection | None = None
        self._serial = -1

    async def start(self) -> None:
        """Start polling, with the connection open: a copy of a file in use must be refused.

        Raises StoreUnavailable if another process has locked the file.
        """
        with translated("the database"):
            await self._its_own()
        self._task = asyncio.create_task(self._run(), name="change-feed")

    async def stop(self) -> None:
        """Stop polling, after a poll in progress, whose thread needs the loop."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        seen: tuple[int, int] | None = None
        while not self._stopping.is_set():
            look = asyncio.ensure_future(self._version())
            try:
                if not await _ends_in_time(look, self._look_seconds):
                    self._lost("the database is busy")
                version = await look
            except StoreError as exc:
                self._lost(str(exc))
            else:
                if version != seen:
                    self._hub.publish(Change("all"))
                    seen = version
                self._hub.set_live(True, missed=False)
                self._hub.confirm()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._stopping.wait()

    def _lost(self, why: str) -> None:
        if self._hub.live:
            _LOG.warning("change feed lost", error=why)
        self._hub.set_live(False)

    async def _version(self) -> tuple[int, int]:
        with translated("the database"):
            try:
                connection = self._connection or await self._its_own()
                rows = await connection.execute_fetchall("PRAGMA data_version")
            except ValueError as exc:  # so the driver says that it is closed
                self._connection = None
                raise StoreUnavailable("the connection to the database was closed") from exc
        return self._serial, next(iter(rows))[0]

    async def _its_own(self) -> aiosqlite.Connection:
        """Return the driver's connection for writes of this process."""
        async with self._engine.connect() as connection:
            found = (await connection.get_raw_connection()).driver_connection
            assert isinstance(found, aiosqlite.Connection)
            self._connection, self._serial = found, connection.info[SERIAL]
        return found


async def _ends_in_time(look: asyncio.Future[tuple[int, int]], seconds: float) -> bool:
    for _ in range(_TURNS):
        done, _ = await asyncio.wait({look}, timeout=seconds / _TURNS)
        if done:
            return True
    return False
