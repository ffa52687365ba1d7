"""``data_dir``, and the encryption key in it if none is configured."""

import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import structlog

from config.problems import ConfigError
from config.settings import Settings
from proxy.files.data_dir import ensure_data_dir, open_keyring, open_store_with_key
from store.database import open_store
from store.encryption import Keyring, generate_key
from store.errors import KeyMismatch, StoreUnavailable

KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


def settings(folder: Path, **store: Any) -> Settings:
    return Settings.model_validate({"data_dir": str(folder), "store": store})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_data_dir_and_key_are_accessible_to_their_owner_only(tmp_path: Path) -> None:
    made = settings(tmp_path / "a" / "data")
    keyring = open_keyring(made)
    folder = ensure_data_dir(made)
    assert mode(folder) == 0o700
    assert mode(folder / "encryption.key") == 0o600
    envelope = keyring.encrypt("secret", "here")
    assert open_keyring(made).decrypt(envelope, "here") == "secret"


def test_configured_key_creates_no_data_dir(tmp_path: Path) -> None:
    open_keyring(settings(tmp_path / "data", encryption_keys=KEY))
    assert not (tmp_path / "data").exists()


def test_key_readable_by_others_gets_mode_0600_with_a_warning(tmp_path: Path) -> None:
    open_keyring(settings(tmp_path))
    (tmp_path / "encryption.key").chmod(0o644)
    with structlog.testing.capture_logs() as lines:
        open_keyring(settings(tmp_path))
        open_keyring(settings(tmp_path))
    assert mode(tmp_path / "encryption.key") == 0o600
    assert [line["event"] for line in lines] == [
        "other users could read a key; its mode is now 0600"
    ]


def test_created_key_with_postgresql_logs_a_warning(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as lines:
        open_keyring(settings(tmp_path, url="postgresql://db/x"))
        open_keyring(settings(tmp_path, url="postgresql://db/x", encryption_keys=KEY))
    assert [line["fix"] for line in lines] == ["set store.encryption_keys_file"]


@pytest.mark.parametrize("content", ["", "nonsense", "QUJD"])
def test_damaged_key_is_reported_and_not_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / "encryption.key").write_text(content)
    with pytest.raises(ConfigError, match="restore it from a backup"):
        open_keyring(settings(tmp_path))
    assert (tmp_path / "encryption.key").read_text() == content


def test_data_dir_that_is_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(ConfigError, match="data_dir: can't be created: file exists; set another"):
        ensure_data_dir(settings(tmp_path / "data"))


def test_concurrent_processes_create_one_key(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from config.settings import Settings\n"
        "from proxy.files.data_dir import open_keyring\n"
        "print(open_keyring(Settings(data_dir=sys.argv[1])).derive('test').hex())\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "data")]
    root = Path(__file__).parents[3]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) for _ in range(4)
    ]
    derived = {process.communicate(timeout=60)[0] for process in started}
    assert [process.returncode for process in started] == [0, 0, 0, 0]
    assert len(derived) == 1


async def test_key_missing_beside_its_database_is_not_replaced(tmp_path: Path) -> None:
    made = settings(tmp_path)
    store = await open_store_with_key(made, open_keyring(made))
    await store.close()
    (tmp_path / "encryption.key").unlink()
    with pytest.raises(ConfigError, match="restore the key from a backup"):
        open_keyring(made)
    assert not (tmp_path / "encryption.key").exists()


def test_database_never_opened_with_a_key_gets_one(tmp_path: Path) -> None:
    """``sekisho admin db upgrade`` on a new machine leaves such a database."""
    made = settings(tmp_path)
    database = sqlite3.connect(tmp_path / "sekisho.db")
    database.execute("CREATE TABLE secrets (name TEXT, value BLOB)")
    database.commit()
    database.close()
    open_keyring(made)
    assert (tmp_path / "encryption.key").exists()


def test_locked_database_gets_no_key(tmp_path: Path) -> None:
    made = settings(tmp_path)
    with closing(sqlite3.connect(tmp_path / "sekisho.db", isolation_level=None)) as holder:
        holder.execute("CREATE TABLE secrets (name TEXT, value BLOB)")
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable, match="locked by another process"):
            open_keyring(made)
    assert not (tmp_path / "encryption.key").exists()


async def test_created_key_that_does_not_decrypt_the_database_is_deleted(tmp_path: Path) -> None:
    """Cover PostgreSQL, where a database is found only when it is opened."""
    made = settings(tmp_path / "new", url=f"sqlite:///{tmp_path}/store.db")
    store = await open_store(made.store_url, Keyring.parse(generate_key()))
    await store.close()
    keyring = Keyring.parse(generate_key())
    keyring.made_in = tmp_path / "encryption.key"
    keyring.made_in.touch()
    with pytest.raises(KeyMismatch, match="restore the key from a backup"):
        await open_store_with_key(made, keyring)
    assert not keyring.made_in.exists()
