"""Tests of SQLite files and folders without permission: errors at start."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from store.database import open_store
from store.encryption import Keyring
from store.errors import StoreUnavailable

UNPRIVILEGED_UID = 65534


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Run as an unprivileged user, because root may write every file."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(UNPRIVILEGED_UID)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
async def folder() -> AsyncIterator[Path]:
    """Yield a folder with a database, owned by the user that the test runs as."""
    with tempfile.TemporaryDirectory(prefix="sekisho-store-") as name:
        folder = Path(name) / "data"
        folder.mkdir()
        Path(name).chmod(0o755)
        store = await open_store(f"sqlite:///{folder}/x.db", Keyring([b"k" * 32]))
        await store.close()
        if os.geteuid() == 0:
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, UNPRIVILEGED_UID)
        yield folder
        folder.chmod(0o755)


async def _refused(folder: Path, name: str = "x.db") -> str:
    with unprivileged(), pytest.raises(StoreUnavailable) as caught:
        await open_store(f"sqlite:///{folder}/{name}", Keyring([b"k" * 32]))
    assert f"{folder}/{name}" in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_read_only_file_is_reported(folder: Path) -> None:
    (folder / "x.db").chmod(0o444)
    assert "read-only; let this user write the file and its folder" in await _refused(folder)


async def test_unreadable_file_is_reported(folder: Path) -> None:
    (folder / "x.db").chmod(0)
    assert "let this user read and write the file and its folder" in await _refused(folder)


async def test_read_only_folder_is_reported(folder: Path) -> None:
    folder.chmod(0o555)
    assert "the file and its folder" in await _refused(folder)


async def test_read_only_folder_without_file_is_reported(folder: Path) -> None:
    folder.chmod(0o555)
    assert "permission denied" in await _refused(folder, "new.db")


async def test_inaccessible_folder_is_reported(folder: Path) -> None:
    folder.chmod(0)
    assert "permission denied" in await _refused(folder)


async def test_folder_in_place_of_file_is_reported(folder: Path) -> None:
    (folder / "sub").mkdir()
    assert "cannot be opened" in await _refused(folder, "sub")


async def test_files_created_by_sqlite_are_private(folder: Path) -> None:
    with unprivileged():
        store = await open_store(f"sqlite:///{folder}/new.db", Keyring([b"k" * 32]))
        await store.ping()
        modes = {path.name: path.stat().st_mode & 0o777 for path in folder.glob("new.db*")}
        await store.close()
    assert modes == {"new.db": 0o600, "new.db-wal": 0o600, "new.db-shm": 0o600}
