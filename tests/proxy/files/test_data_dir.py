"""``data_dir`` and the key that is kept in it when none is configured."""

import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import structlog

from config.problems import ConfigError
from config.settings import Settings
from proxy.data_dir import open_keyring, prepare

KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


def settings(folder: Path, **store: Any) -> Settings:
    return Settings.model_validate({"data_dir": str(folder), "store": store})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_and_its_key_are_for_their_owner_only(tmp_path: Path) -> None:
    made = settings(tmp_path / "a" / "data")
    keyring = open_keyring(made)
    folder = prepare(made)
    assert mode(folder) == 0o700
    assert mode(folder / "encryption.key") == 0o600
    envelope = keyring.encrypt("secret", "here")
    assert open_keyring(made).decrypt(envelope, "here") == "secret"


def test_with_a_configured_key_nothing_is_made(tmp_path: Path) -> None:
    open_keyring(settings(tmp_path / "data", encryption_keys=KEY))
    assert not (tmp_path / "data").exists()


def test_a_key_that_others_could_read_is_taken_back_with_a_warning(tmp_path: Path) -> None:
    open_keyring(settings(tmp_path))
    (tmp_path / "encryption.key").chmod(0o644)
    with structlog.testing.capture_logs() as lines:
        open_keyring(settings(tmp_path))
        open_keyring(settings(tmp_path))
    assert mode(tmp_path / "encryption.key") == 0o600
    assert [line["event"] for line in lines] == ["others could read a key; its mode is 0600 now"]


def test_with_postgresql_a_made_key_is_warned_about(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as lines:
        open_keyring(settings(tmp_path, url="postgresql://db/x"))
        open_keyring(settings(tmp_path, url="postgresql://db/x", encryption_keys=KEY))
    assert [line["fix"] for line in lines] == ["set store.encryption_keys_file"]


@pytest.mark.parametrize("content", ["", "nonsense", "QUJD"])
def test_a_damaged_key_is_told_and_kept(tmp_path: Path, content: str) -> None:
    (tmp_path / "encryption.key").write_text(content)
    with pytest.raises(ConfigError, match="restore it from a backup"):
        open_keyring(settings(tmp_path))
    assert (tmp_path / "encryption.key").read_text() == content


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(ConfigError, match="data_dir: can't be made: file exists; name another"):
        prepare(settings(tmp_path / "data"))


def test_processes_that_start_together_make_one_key(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from config.settings import Settings\n"
        "from proxy.data_dir import open_keyring\n"
        "print(open_keyring(Settings(data_dir=sys.argv[1])).derive('test').hex())\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "data")]
    root = Path(__file__).parents[2]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) for _ in range(4)
    ]
    said = {process.communicate(timeout=60)[0] for process in started}
    assert [process.returncode for process in started] == [0, 0, 0, 0]
    assert len(said) == 1
