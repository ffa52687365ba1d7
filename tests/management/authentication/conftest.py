"""Fixtures: a store, and an authenticator that follows its changes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from management.authentication.token_authenticator import TokenAuthenticator
from store.database import SqlStore
from store.encryption import Keyring
from tests.support.stores import open_new_store
from tests.support.tasks import beside
from tests.support.waiting import eventually


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    opened = await open_new_store(f"sqlite:///{tmp_path / 'x.db'}", Keyring([b"k" * 32]))
    yield opened
    await opened.close()


@pytest.fixture
async def resolver(store: SqlStore) -> AsyncIterator[TokenAuthenticator]:
    made = TokenAuthenticator(store)
    async with beside(made.follow_changes()):
        await eventually(lambda: store.changes.live)
        yield made
