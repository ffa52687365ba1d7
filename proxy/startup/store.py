"""The store, for as long as a server runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from config.settings import Settings
from store.database import open_store
from store.encryption import Keyring
from store.interfaces import Store

STORE_SECONDS = 3.0
"""How long closing the store may take."""

_LOG = structlog.get_logger("sekisho")


@asynccontextmanager
async def opened_store(
    settings: Settings, keyring: Keyring, *, upgrade: bool
) -> AsyncIterator[Store]:
    """The store, its schema brought up where ``upgrade`` says so. Raises StoreError."""
    store = await open_store(settings.store_url, keyring, upgrade=upgrade)
    try:
        yield store
    finally:
        await _close(store)


async def _close(store: Store) -> None:
    """Close the store, but don't wait for a database that hangs: nothing is left to be written."""
    try:
        async with asyncio.timeout(STORE_SECONDS):
            await store.close()
    except TimeoutError:
        _LOG.warning("the store wasn't closed in time")
