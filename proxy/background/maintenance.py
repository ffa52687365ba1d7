"""Clearing away what has ended."""

import asyncio
from datetime import UTC, datetime, timedelta

from store.interfaces import Store

EVERY_SECONDS = 3600.0
KEPT = timedelta(days=7)
"""How long an ended token can still be seen in lists, so that users can see why it stopped."""


SLACK = timedelta(hours=1)
"""How long a spent value is kept after its end: replicas' clocks differ."""


NODES_KEPT = timedelta(days=30)
"""How long a node that has left can still be seen."""


async def purge_expired_forever(store: Store) -> None:
    """Forget every hour what ended a while ago, until cancelled."""
    while True:
        now = datetime.now(UTC)
        await store.tokens.delete_ended(now - KEPT)
        await store.nonces.clear(now - SLACK)
        await store.device_polls.clear(now - SLACK)
        await store.idempotency_records.clear(now - SLACK)
        await store.fleet.forget_nodes(now - NODES_KEPT)
        await asyncio.sleep(EVERY_SECONDS)
