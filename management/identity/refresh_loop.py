"""The background loop that refreshes identities, each provider at its own speed."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from config.loggers import get_logger
from management.identity.identity_refresh import IdentityRefresher, Round
from store.errors import StoreError

LOOK_SECONDS = 30.0
"""Interval at which the store is queried for principals that are due."""

_LOG = get_logger(__name__)


async def refresh_forever(
    refresh: IdentityRefresher, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Refresh the principals that are due, until cancelled."""
    running: dict[tuple[str, bool], asyncio.Task[None]] = {}
    try:
        while True:
            await sleep(LOOK_SECONDS * (0.5 + random.random()))  # noqa: S311 - not for secrecy
            for key, round_ in refresh.rounds().items():
                if key not in running or running[key].done():
                    running[key] = asyncio.create_task(_run_round(key[0], round_))
    finally:
        for task in running.values():
            task.cancel()
        await asyncio.gather(*running.values(), return_exceptions=True)


async def _run_round(provider: str, round_: Round) -> None:
    try:
        await round_()
    except StoreError as exc:
        _LOG.warning("refresh round failed", provider=provider, error=str(exc))
    except Exception:
        _LOG.exception("refresh round failed", provider=provider)
