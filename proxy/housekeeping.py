"""Clearing away what has ended."""

import asyncio
from datetime import UTC, datetime, timedelta

from store.interfaces import Tokens

EVERY_SECONDS = 3600.0
KEPT = timedelta(days=7)
"""How long an ended token can still be seen in lists, for whoever wonders why it stopped."""


async def clear_ended_tokens_forever(tokens: Tokens) -> None:
    """Delete tokens that ended a while ago, every hour, until cancelled."""
    while True:
        await tokens.delete_ended(datetime.now(UTC) - KEPT)
        await asyncio.sleep(EVERY_SECONDS)
