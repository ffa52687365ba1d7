"""Changes made by other processes to the same SQLite file, by looking at its version."""

import asyncio

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from store.changes import ChangeHub
from store.errors import translated
from store.interfaces import Change, StoreError

_LOG = structlog.get_logger("sekisho.store")


class SqliteFeed:
    """Looks every ``interval`` seconds, through the connection that this process writes with."""

    def __init__(self, engine: AsyncEngine, hub: ChangeHub, interval: float) -> None:
        self._engine = engine
        self._hub = hub
        self._interval = interval
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run(), name="change-feed")

    async def stop(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        seen: int | None = None
        while True:
            try:
                version = await self._version()
            except StoreError as exc:
                if self._hub.live:
                    _LOG.warning("change feed lost", error=str(exc))
                self._hub.set_live(False)
            else:
                if seen is not None and version != seen:
                    self._hub.publish(Change("all"))
                seen = version
                self._hub.set_live(True)
            await asyncio.sleep(self._interval)

    async def _version(self) -> int:
        with translated("the database"):
            async with self._engine.connect() as connection:
                return int((await connection.execute(text("PRAGMA data_version"))).scalar_one())
