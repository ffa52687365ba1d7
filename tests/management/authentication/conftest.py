"""Fixtures: a store, and an authenticator that follows its changes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from management.authentication.token_authenticator import TokenAuthenticator
from store.database import SqlStore, open_store
from store.encryption import Keyring


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    opened = await open_store(f"sqlite:///{tmp_path / 'x.db'}", Keyring([b"k" * 32]))
    yield opened
    await opened.close()


@pytest.fixture
async def resolver(store: SqlStore) -> AsyncIterator[TokenAuthenticator]:
    made = TokenAuthenticator(store)
    following = asyncio.create_task(made.follow_changes())
    async with asyncio.timeout(60):
        while not store.changes.live:
            await asyncio.sleep(0.01)
    yield made
    following.cancel()
