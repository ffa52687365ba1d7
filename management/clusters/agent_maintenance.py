"""End what agents no longer need: registrations that were not completed, and replaced tokens.

Each replica runs this. Ending something twice has no effect.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from config.loggers import get_logger
from management.clusters.agent_registration import remove_expired
from management.clusters.agent_token_rotation import revoke_replaced
from management.clusters.clock import utc_now
from store.errors import StoreError
from store.interfaces import Store

SCAN_SECONDS = 60.0
"""Interval of scans. What they end is older than ten minutes."""

_LOG = get_logger(__name__)


async def maintain_agents_forever(
    store: Store,
    *,
    now: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Remove expired registrations and revoke replaced tokens, until cancelled."""
    while True:
        try:
            await remove_expired(store, now())
            await revoke_replaced(store, now())
        except StoreError as exc:
            _LOG.warning("agent scan failed", error=str(exc))
        await sleep(SCAN_SECONDS)
