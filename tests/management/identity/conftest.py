"""A real store for what lives in it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from store.database import SqlStore, open_store
from store.encryption import Keyring


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    opened = await open_store(f"sqlite:///{tmp_path / 'x.db'}", Keyring([b"k" * 32]))
    yield opened
    await opened.close()
