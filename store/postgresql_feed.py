"""Changes made by other replicas, over PostgreSQL's LISTEN and NOTIFY."""

import asyncio
import contextlib
import json
import secrets

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from store.changes import ChangeHub
from store.interfaces import Change

CHANNEL = "sekisho_changes"

PROBE_SECONDS = 0.4
"""How often the connection is probed, and how long a probe may take: less than a second together,
so that nothing stale is believed for longer when it dies without a word."""

_LOG = structlog.get_logger("sekisho.store")


class PostgresqlFeed:
    """Listens on a connection of its own, and makes it anew when it is lost."""

    def __init__(self, dsn: str, hub: ChangeHub) -> None:
        self._dsn = dsn
        self._hub = hub
        self._origin = secrets.token_hex(8)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._run(), name="change-feed")

    async def stop(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def notify(self, connection: AsyncConnection, changes: list[Change]) -> None:
        """Announce changes in the transaction that makes them: told if, and when, it commits."""
        payload = json.dumps([self._origin, [[change.kind, change.key] for change in changes]])
        await connection.execute(
            text("SELECT pg_notify(:channel, :payload)"), {"channel": CHANNEL, "payload": payload}
        )

    async def _run(self) -> None:
        pause = 0.1
        while True:
            try:
                await self._listen()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
                if self._hub.live:
                    _LOG.warning("change feed lost; reconnecting", error=type(exc).__name__)
                    pause = 0.1
            finally:
                self._hub.set_live(False)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(self._dsn, timeout=5)
        try:
            await connection.add_listener(CHANNEL, self._heard)
            self._hub.set_live(True)
            while True:
                await asyncio.sleep(PROBE_SECONDS)
                await connection.execute("SELECT 1", timeout=PROBE_SECONDS)
        finally:
            with contextlib.suppress(Exception):
                connection.terminate()

    def _heard(self, connection: object, pid: int, channel: str, payload: object) -> None:
        try:
            origin, changes = json.loads(str(payload))
            heard = [Change(kind, key) for kind, key in changes]
        except (ValueError, TypeError):
            heard, origin = [Change("all")], None
        if origin != self._origin:
            self._hub.publish(*heard)
