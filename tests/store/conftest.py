"""Fixtures: a new store of each kind."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from store.database import SqlStore
from store.encryption import Keyring, generate_key
from tests.support.stores import open_new_store
from tests.support.waiting import eventually


@pytest.fixture
def keyring() -> Keyring:
    return Keyring.parse(generate_key())


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a new, empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'sekisho.db'}"
    return str(request.getfixturevalue("postgres_database"))


@pytest.fixture
async def store(url: str, keyring: Keyring) -> AsyncIterator[SqlStore]:
    opened = await open_new_store(url, keyring, poll_interval=0.05)
    # A feed that connects later replaces the changes that wait then.
    await eventually(lambda: opened.changes.live)
    yield opened
    await opened.close()
