"""Open the store for the time that a server runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from config.loggers import get_logger
from config.settings import Settings
from proxy.files.data_dir import open_store_with_key
from store.encryption import Keyring
from store.interfaces import Store

STORE_SECONDS = 3.0
"""How long closing the store may take."""

_LOG = get_logger(__name__)


@asynccontextmanager
async def open_store(
    settings: Settings, keyring: Keyring, *, upgrade: bool
) -> AsyncIterator[Store]:
    """Open the store and close it at the end. ``upgrade`` its schema. Raises StoreError."""
    store = await open_store_with_key(settings, keyring, upgrade=upgrade)
    try:
        yield store
    finally:
        await _close(store)


async def _close(store: Store) -> None:
    """Close the store. Don't wait for a database that hangs: nothing is left to write."""
    try:
        async with asyncio.timeout(STORE_SECONDS):
            await store.close()
    except TimeoutError:
        _LOG.warning("store not closed in time")
