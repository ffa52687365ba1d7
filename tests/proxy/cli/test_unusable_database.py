"""Commands on a database that does not exist, has no schema, or cannot be written to."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.proxy.cli.commands import run
from tests.support.permissions import make_world_readable
from tests.support.sekisho import Sekisho

KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@pytest.mark.parametrize(
    "words",
    [
        ("user", "list"),
        ("user", "create", "alice", "--password-stdin"),
        ("db", "upgrade"),
        ("kubeconfig", "--user", "alice"),
    ],
    ids=" ".join,
)
def test_admin_command_without_a_configuration_creates_nothing(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEKISHO_CONFIG", raising=False)
    result = run("admin", *words)
    assert (result.exit_code, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert "needs its configuration" in line
    assert "-c FILE" in line
    assert "sekisho login" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ("user", "list"),
        ("cluster", "list"),
        ("provider", "list"),
        ("token", "create", "--user", "alice"),
        ("kubeconfig", "--user", "alice"),
        ("db", "rotate-keys"),
    ],
    ids=" ".join,
)
def test_admin_command_does_not_create_a_missing_database(
    sekisho: Sekisho, words: tuple[str, ...]
) -> None:
    done = sekisho.run("admin", *words, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "doesn't exist yet: `sekisho serve` creates it" in done.stderr
    assert not (sekisho.folder / "data").exists()


def test_missing_schema_in_postgresql_is_reported_as_a_missing_database(
    sekisho: Sekisho, postgres_database: str
) -> None:
    sekisho.environment["SEKISHO_STORE__URL"] = postgres_database
    refused = sekisho.run("admin", "user", "list", check=False)
    assert "doesn't exist yet" in refused.stderr
    sekisho.create_user("alice")
    assert "alice" in sekisho.run("admin", "user", "list").stdout


@contextmanager
def not_root() -> Iterator[None]:
    """Run the block as a user to whom file modes apply."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """Yield a configuration whose database only root can write."""
    folder = tmp_path / "db"
    folder.mkdir()
    file = tmp_path / "sekisho.yaml"
    file.write_text(f"store: {{url: 'sqlite:///db/x.db', encryption_keys: '{KEY}'}}\n")
    assert run("admin", "db", "upgrade", "-c", file).exit_code == 0
    for path in (*folder.iterdir(), folder):
        path.chmod(0o555)
    make_world_readable(tmp_path)
    yield file
    folder.chmod(0o755)


def test_read_only_database_is_reported(read_only: Path) -> None:
    with not_root():
        result = run("admin", "user", "create", "alice", "--password-stdin", "-c", read_only)
    assert (result.exit_code, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("sekisho: error: the database file ")
    assert "read-only; let this user write the file and its folder" in line


def test_read_only_data_dir_is_reported(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o555)
    (tmp_path / "sekisho.yaml").write_text("data_dir: data\n")
    make_world_readable(tmp_path)
    with not_root():
        result = run("admin", "cluster", "list", "-c", tmp_path / "sekisho.yaml")
        assert "doesn't exist yet" in result.stderr
        create = ("user", "create", "alice", "--password-stdin")
        result = run("admin", *create, "-c", tmp_path / "sekisho.yaml")
    assert (result.exit_code, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert "correct its permissions" in line
    assert list((tmp_path / "data").iterdir()) == []
