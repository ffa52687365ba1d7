"""Backups and restores that are ended in the middle leave nothing for ever."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxy.files.unfinished import SUFFIX
from tests.support.sekisho import Sekisho, free_port, make_sekisho
from tests.support.waiting import wait_until

PASSPHRASE = {"SEKISHO_BACKUP__PASSPHRASE": "a passphrase of the test"}
WAITS = "backup: {wrap_command: [sleep, '600']}\n"
"""The key is wrapped after the file was created, so that a backup waits there."""


@pytest.fixture
def server(tmp_path: Path) -> Sekisho:
    made = make_sekisho(tmp_path, (free_port(), free_port()))
    made.create_user("alice")
    return made


@contextmanager
def running(server: Sekisho, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "proxy", "-c", str(server.config), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **server.environment},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def unfinished(folder: Path) -> list[Path]:
    return sorted(folder.glob(f".*{SUFFIX}"))


def started(process: "subprocess.Popen[str]", folder: Path) -> bool:
    assert process.poll() is None, process.communicate()
    return bool(unfinished(folder))


@pytest.fixture
def backups(tmp_path: Path) -> Path:
    made = tmp_path / "backups"
    made.mkdir()
    return made


def test_ended_backup_leaves_nothing(server: Sekisho, backups: Path) -> None:
    server.config.write_text(server.config.read_text() + WAITS)
    with running(server, "admin", "backup", "--into", str(backups)) as process:
        wait_until(lambda: started(process, backups))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    assert list(backups.iterdir()) == []


def test_file_of_a_killed_backup_is_removed_by_the_next_one(server: Sekisho, backups: Path) -> None:
    waits = server.folder / "waits.yaml"
    waits.write_text(server.config.read_text() + WAITS)
    command = ["-c", str(waits), "admin", "backup", "--into", str(backups)]
    server.environment |= PASSPHRASE
    with running(Sekisho(server.folder, 0, 0), *command) as process:
        wait_until(lambda: started(process, backups))
        [file] = unfinished(backups)
        server.prepare("admin", "backup", "--into", str(backups))
        assert unfinished(backups) == [file]
        process.kill()
        process.wait(60)
    assert unfinished(backups) == [file]
    server.prepare("admin", "backup", str(backups / "another"))
    assert unfinished(backups) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_ended_restore_leaves_no_database(
    server: Sekisho, backups: Path, number: signal.Signals
) -> None:
    server.environment |= PASSPHRASE
    file = backups / "file"
    server.prepare("admin", "backup", str(file))
    data = server.folder / "data"
    for one in data.iterdir():
        one.unlink()
    pipe = backups / "pipe"
    os.mkfifo(pipe)
    with (
        running(server, "admin", "restore", str(pipe)) as process,
        pipe.open("wb", buffering=0) as half,
    ):
        half.write(file.read_bytes()[:-1])  # and the restore waits for the rest
        wait_until(lambda: started(process, data))
        second = server.run("admin", "restore", str(file), check=False)
        assert "another restore into" in second.stderr
        process.send_signal(number)
        process.wait(60)
    if number is signal.SIGKILL:
        assert len(unfinished(data)) == 1
        server.prepare("admin", "restore", str(file))
        assert (data / "sekisho.db").is_file()
    else:
        assert process.returncode == 128 + number
        assert list(data.iterdir()) == []
    assert unfinished(data) == []
