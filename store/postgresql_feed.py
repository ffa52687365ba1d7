"""Changes made by other replicas, over PostgreSQL's LISTEN and NOTIFY."""

import asyncio
import json
import secrets

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from store.changes import ChangeHub
from store.interfaces import Change

CHANNEL = "sekisho_changes"

CONNECT_SECONDS = 5.0

PROBE_SECONDS = 0.4
"""How often the connection is probed, and how long a probe may take: less than a second together,
so that nothing stale is believed for longer when it dies without a word."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 5.0
"""Between attempts to connect; each pause is twice the one before."""

MAX_PAYLOAD_BYTES = 7999
"""What PostgreSQL takes for a NOTIFY."""

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
        payload = self._payload([(change.kind, change.key) for change in changes])
        if len(payload) > MAX_PAYLOAD_BYTES:
            payload = self._payload([("all", None)])
        await connection.execute(
            text("SELECT pg_notify(:channel, :payload)"), {"channel": CHANNEL, "payload": payload}
        )

    def _payload(self, changes: list[tuple[str, str | None]]) -> str:
        return json.dumps([self._origin, changes])

    async def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._listen()
            except Exception as exc:  # whatever it was: a feed that gave up would never come back
                if self._hub.live:
                    _LOG.warning("change feed lost; reconnecting", error=type(exc).__name__)
                    pause = FIRST_PAUSE_SECONDS
            finally:
                self._hub.set_live(False)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(
            self._dsn,
            timeout=CONNECT_SECONDS,
            command_timeout=CONNECT_SECONDS,
            server_settings={"application_name": "sekisho-changes"},
        )
        try:
            await connection.add_listener(CHANNEL, self._heard)
            self._hub.set_live(True)
            while True:
                await asyncio.sleep(PROBE_SECONDS)
                await connection.execute("SELECT 1", timeout=PROBE_SECONDS)
        finally:
            connection.terminate()

    def _heard(self, connection: object, pid: int, channel: str, payload: object) -> None:
        try:
            origin, changes = json.loads(str(payload))
            heard = [Change(kind, key) for kind, key in changes]
        except (ValueError, TypeError):
            heard, origin = [Change("all")], None
        if origin != self._origin:
            self._hub.publish(*heard)
