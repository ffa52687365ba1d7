"""Changes made by other replicas, over PostgreSQL's LISTEN and NOTIFY."""

import asyncio
import json
import random
import secrets
import time

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from config.loggers import get_logger
from store.changes import ChangeHub
from store.locations import Location
from store.postgresql_connector import PostgresqlConnector
from store.records import Change

CHANNEL = "sekisho_changes"

CONNECT_SECONDS = 5.0

PROBE_SECONDS = 0.4
"""How often the connection is probed, and how long a probe may take: less than a second together,
so that a silently lost connection causes no stale values for longer."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 5.0
"""Pauses between attempts to connect. Each pause is twice the one before, and half of it is
random, so that replicas do not connect simultaneously."""

HEALTHY_SECONDS = 5.0
"""How long a connection must last before the pauses are reset."""

MAX_PAYLOAD_BYTES = 7999
"""The limit of a payload of NOTIFY."""

_LOG = get_logger(__name__)


class PostgresqlFeed:
    """Listens on its own connection, and reconnects after a loss."""

    def __init__(self, location: Location, hub: ChangeHub) -> None:
        self._connector = PostgresqlConnector(
            location, "sekisho-changes", CONNECT_SECONDS, CONNECT_SECONDS
        )
        self._hub = hub
        self._origin = secrets.token_hex(8)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to listen, also to a server that does not respond yet."""
        self._task = asyncio.create_task(self._run(), name="change-feed")

    async def stop(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def notify(self, connection: AsyncConnection, changes: list[Change]) -> None:
        """Send changes in their transaction: PostgreSQL delivers them after the commit."""
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
            began = time.monotonic()
            try:
                await self._listen()
            except Exception as exc:  # whatever it was: a feed that gave up would never come back
                if self._hub.live:
                    _LOG.warning("change feed lost; reconnecting", error=type(exc).__name__)
                    if time.monotonic() - began >= HEALTHY_SECONDS:
                        pause = FIRST_PAUSE_SECONDS
            finally:
                self._hub.set_live(False)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - not for secrecy
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _listen(self) -> None:
        connection = await self._connector.connect()
        try:
            await connection.add_listener(CHANNEL, self._heard)
            self._hub.set_live(True)
            while True:
                await asyncio.sleep(PROBE_SECONDS)
                await connection.execute("SELECT 1", timeout=PROBE_SECONDS)
                self._hub.confirm()
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
