"""New stores for tests. Migrations take 0.1 s of a core, so SQLite files are copies of one file."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from store.database import SqlStore, open_store
from store.encryption import Keyring
from tests.support.other_connection import other_connection

_FOLDER = tempfile.TemporaryDirectory(prefix="sekisho-stores-")
"""Holds this process's empty database, and exists as long as the process."""

_SQLITE = "sqlite:///"


async def open_new_store(url: str, keyring: Keyring, **options: Any) -> SqlStore:
    """Open a new store at ``url``, with ``options`` of ``open_store``.

    A SQLite file that does not exist yet is made without running the migrations.
    """
    file = Path(url.removeprefix(_SQLITE))
    if url.startswith(_SQLITE) and not file.exists():
        shutil.copyfile(await _empty(keyring), file)
    return await open_store(url, keyring, **options)


async def _empty(keyring: Keyring) -> Path:
    """Return a file with the schema, for any encryption key."""
    made = Path(_FOLDER.name) / "empty.db"
    if not made.exists():
        new = made.with_name("new.db")
        await (await open_store(f"{_SQLITE}{new}", keyring)).close()
        async with other_connection(new) as connection:
            await connection.execute("DELETE FROM secrets")  # the check of the key
        new.rename(made)
    return made
