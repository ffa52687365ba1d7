"""Fixtures: a real store, and identities in it that are refreshed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from store.database import SqlStore
from store.encryption import Keyring
from tests.management.identity.refreshes import World
from tests.management.identity.two_directories import two as two  # for tests of owners
from tests.support.stores import open_new_store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    opened = await open_new_store(f"sqlite:///{tmp_path / 'x.db'}", Keyring([b"k" * 32]))
    yield opened
    await opened.close()


@pytest.fixture
async def world(store: SqlStore) -> World:
    made = World(store)
    await made.add("ann")
    return made
