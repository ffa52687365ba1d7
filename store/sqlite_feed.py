"""Changes made by other processes to the same SQLite file, by looking at its version."""

import asyncio
import contextlib

import aiosqlite
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from store.changes import ChangeHub
from store.engine import SERIAL
from store.errors import translated
from store.interfaces import Change, StoreError, StoreUnavailable

LOOK_SECONDS = 0.5
"""How long a look may take before the feed is not live. The connection can be busy with a statement
that waits for another process; until that ends nothing is heard."""

_TURNS = 10
"""In how many parts LOOK_SECONDS are waited. A loop that is late itself (overloaded, or stopped for
a while) comes back to a timer that is due and an answer that is there, and must see the answer."""

_LOG = structlog.get_logger("sekisho.store")


class SqliteFeed:
    """Looks every ``interval`` seconds, through the connection that this process writes with.

    The version moves when *another* connection has committed. Only versions of one and the same
    connection can be compared, so a new connection counts as a change.

    A look is one call to the connection's thread, also between the statements of a transaction:
    nobody else can write then. Taken from the pool as others are, the connection would be waited
    for until a transaction ends, and by a busy loop for many of its turns.
    """

    def __init__(self, engine: AsyncEngine, hub: ChangeHub, interval: float) -> None:
        self._engine = engine
        self._hub = hub
        self._interval = interval
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._connection: aiosqlite.Connection | None = None
        self._serial = -1

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run(), name="change-feed")

    async def stop(self) -> None:
        """Stop looking, after the look that may be under way: its thread must see the loop."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        seen: tuple[int, int] | None = None
        while not self._stopping.is_set():
            look = asyncio.ensure_future(self._version())
            try:
                if not await _ends_in_time(look):
                    self._lost("the database is busy")
                version = await look
            except StoreError as exc:
                self._lost(str(exc))
            else:
                if version != seen:
                    self._hub.publish(Change("all"))
                    seen = version
                self._hub.set_live(True, missed=False)
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
        """The driver's connection, with which this process writes."""
        async with self._engine.connect() as connection:
            found = (await connection.get_raw_connection()).driver_connection
            assert isinstance(found, aiosqlite.Connection)
            self._connection, self._serial = found, connection.info[SERIAL]
        return found


async def _ends_in_time(look: asyncio.Future[tuple[int, int]]) -> bool:
    for _ in range(_TURNS):
        done, _ = await asyncio.wait({look}, timeout=LOOK_SECONDS / _TURNS)
        if done:
            return True
    return False
