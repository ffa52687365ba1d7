"""SQLite files and folders that this user may not write: told at the start, not at a sign-in."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from store.database import open_store
from store.encryption import Keyring
from store.interfaces import StoreUnavailable

NOBODY = 65534


@contextlib.contextmanager
def as_somebody_else() -> Iterator[None]:
    """Root may write everything; be nobody for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
async def folder() -> AsyncIterator[Path]:
    """A folder with a database in it, which belongs to whoever the test is going to be."""
    with tempfile.TemporaryDirectory(prefix="sekisho-store-") as name:
        folder = Path(name) / "data"
        folder.mkdir()
        Path(name).chmod(0o755)
        store = await open_store(f"sqlite:///{folder}/x.db", Keyring([b"k" * 32]))
        await store.close()
        if os.geteuid() == 0:
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, NOBODY)
        yield folder
        folder.chmod(0o755)


async def _refused(folder: Path, name: str = "x.db") -> str:
    with as_somebody_else(), pytest.raises(StoreUnavailable) as caught:
        await open_store(f"sqlite:///{folder}/{name}", Keyring([b"k" * 32]))
    assert f"{folder}/{name}" in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_a_file_that_may_only_be_read_is_told(folder: Path) -> None:
    (folder / "x.db").chmod(0o444)
    assert "read-only; let this user write the file and its folder" in await _refused(folder)


async def test_a_file_that_may_not_be_read_is_told(folder: Path) -> None:
    (folder / "x.db").chmod(0)
    assert "let this user read and write the file and its folder" in await _refused(folder)


async def test_a_folder_that_may_only_be_read_is_told(folder: Path) -> None:
    folder.chmod(0o555)
    assert "the file and its folder" in await _refused(folder)


async def test_a_folder_that_may_only_be_read_takes_no_new_file(folder: Path) -> None:
    folder.chmod(0o555)
    assert "permission denied" in await _refused(folder, "new.db")


async def test_a_folder_that_may_not_be_entered_is_told(folder: Path) -> None:
    folder.chmod(0)
    assert "permission denied" in await _refused(folder)


async def test_a_folder_in_place_of_the_file_is_told(folder: Path) -> None:
    (folder / "sub").mkdir()
    assert "can't be opened" in await _refused(folder, "sub")


async def test_nothing_that_sqlite_makes_may_be_read_by_others(folder: Path) -> None:
    with as_somebody_else():
        store = await open_store(f"sqlite:///{folder}/new.db", Keyring([b"k" * 32]))
        await store.ping()
        modes = {path.name: path.stat().st_mode & 0o777 for path in folder.glob("new.db*")}
        await store.close()
    assert modes == {"new.db": 0o600, "new.db-wal": 0o600, "new.db-shm": 0o600}
