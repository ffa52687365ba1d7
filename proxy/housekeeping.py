"""Clearing away what has ended."""

import asyncio
from datetime import UTC, datetime, timedelta

from store.interfaces import OneTime, Tokens

EVERY_SECONDS = 3600.0
KEPT = timedelta(days=7)
"""How long an ended token can still be seen in lists, for whoever wonders why it stopped."""


SLACK = timedelta(hours=1)
"""How long a spent value is kept after its end: replicas' clocks differ."""


async def clear_ended_forever(tokens: Tokens, one_time: OneTime) -> None:
    """Delete tokens that ended a while ago, and spent values, every hour, until cancelled."""
    while True:
        await tokens.delete_ended(datetime.now(UTC) - KEPT)
        await one_time.clear(datetime.now(UTC) - SLACK)
        await asyncio.sleep(EVERY_SECONDS)
