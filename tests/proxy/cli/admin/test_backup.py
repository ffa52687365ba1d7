"""Backups into a folder, as a schedule makes them."""

from pathlib import Path

import pytest

from store.encryption import generate_key
from tests.support.sekisho import Sekisho, free_port, make_sekisho

OLD = "sekisho-20200101T000000Z.backup"
LESS_OLD = [f"sekisho-2020010{day}T000000Z.backup" for day in range(2, 7)]
YOUNG = "sekisho-29990101T000000Z.backup"


@pytest.fixture
def server(tmp_path: Path) -> Sekisho:
    made = make_sekisho(tmp_path, (free_port(), free_port()))
    made.create_user("alice")
    made.environment["SEKISHO_BACKUP__PASSPHRASE"] = "a passphrase of the test"
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "backups"
    made.mkdir()
    for name in (OLD, *LESS_OLD, YOUNG, "notes.txt"):
        (made / name).touch()
    return made


def names(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir()}


def test_backup_into_folder_is_verified_and_deletes_old_ones(server: Sekisho, folder: Path) -> None:
    said = server.prepare("admin", "backup", "--into", str(folder), "--keep", "30d")
    assert "wrote and verified" in said
    assert "deleted 1 older" in said
    [made] = names(folder) - {YOUNG, *LESS_OLD, "notes.txt"}
    assert made != OLD
    assert "is complete" in server.prepare("admin", "backup", "--verify", str(folder / made))


def test_backup_without_events_says_so(server: Sekisho, folder: Path) -> None:
    made = str(folder / "without")
    for said in (
        server.prepare("admin", "backup", made, "--without-audit"),
        server.prepare("admin", "backup", "--verify", made),
    ):
        assert "no events of the audit search" in said
    (server.folder / "data" / "sekisho.db").unlink()
    said = server.prepare("admin", "restore", made, "--replace")
    assert "the audit search has no events of the backup" in said


def test_failed_backup_deletes_nothing(server: Sekisho, folder: Path) -> None:
    server.environment["SEKISHO_BACKUP__PASSPHRASE"] = "short"
    done = server.run("admin", "backup", "--into", str(folder), "--keep", "30d", check=False)
    assert done.returncode == 1
    assert names(folder) == {OLD, *LESS_OLD, YOUNG, "notes.txt"}


def test_backup_with_another_key_than_the_database_is_refused(
    server: Sekisho, folder: Path
) -> None:
    (server.folder / "data" / "encryption.key").write_text(generate_key())
    done = server.run("admin", "backup", "--into", str(folder), "--keep", "30d", check=False)
    assert done.returncode == 1
    assert "none of the encryption keys opens" in done.stderr
    assert names(folder) == {OLD, *LESS_OLD, YOUNG, "notes.txt"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give one of FILE and --into"),
        (("x", "--into", "."), "give one of FILE and --into"),
        (("x", "--keep", "30d"), "--keep is for --into"),
        (("--into", ".", "--verify"), "--verify is for a FILE"),
        (("--into", "/nowhere"), "does not exist"),
        (("x", "--verify", "--without-audit"), "--without-audit is for a new backup"),
    ],
)
def test_contradicting_options_are_refused(
    server: Sekisho, words: tuple[str, ...], message: str
) -> None:
    done = server.run("admin", "backup", *words, check=False)
    assert done.returncode == 2
    assert message in done.stderr
