"""Bad input to the command: one readable line, exit code 1, nothing half-made."""

import socket
import sqlite3
from pathlib import Path

import pytest

from tests.parts.sekisho import PASSWORD, Sekisho, make_sekisho


@pytest.fixture
def sekisho(tmp_path: Path) -> Sekisho:
    return make_sekisho(tmp_path, (1, 2))


def failure(sekisho: Sekisho, *arguments: str, stdin: str | None = None, code: int = 1) -> str:
    """The lines on standard error of a command that must fail."""
    done = sekisho.run(*arguments, stdin=stdin, check=False)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr


def test_a_missing_config_is_named(sekisho: Sekisho) -> None:
    said = failure(sekisho, "check-config", "-c", "/nowhere/sekisho.yaml")
    assert said == (
        "sekisho: error: the file /nowhere/sekisho.yaml doesn't exist; create it or mend the path\n"
    )


def test_c_may_stand_before_the_command_too(sekisho: Sekisho) -> None:
    assert "/nowhere" in failure(sekisho, "-c", "/nowhere/x", "check-config")


def test_a_wrong_config_is_told_in_full_providers_included(sekisho: Sekisho) -> None:
    sekisho.config.write_text(
        "server: {listen: nonsense}\nproviders:\n- {type: nope, name: a}\nmetric: {}\n"
    )
    said = failure(sekisho, "serve").splitlines()
    assert len(said) == 3
    sekisho.config.write_text(
        "providers:\n- {type: nope, name: a}\n- {type: local, name: b, x: 1}\n"
    )
    said = failure(sekisho, "check-config").splitlines()
    assert "sekisho.yaml:2: providers[0].type: 'nope' is not installed; known: " in said[0]
    assert "local" in said[0].partition("known: ")[2].split(", ")
    assert "sekisho.yaml:3: providers[1].x: is not a setting" in said[1]


def test_check_config_makes_nothing(sekisho: Sekisho) -> None:
    done = sekisho.run("check-config")
    assert "the configuration is fine" in done.stdout
    assert not (sekisho.folder / "data").exists()


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sekisho = make_sekisho(tmp_path, (port, 0))
        said = failure(sekisho, "serve")
    assert f"sekisho: error: server.listen: port {port} is in use" in said


def test_a_certificate_that_does_not_fit_its_key_is_told(sekisho: Sekisho, tmp_path: Path) -> None:
    (tmp_path / "x.crt").write_text("nonsense")
    (tmp_path / "x.key").write_text("nonsense")
    sekisho.config.write_text(
        "server: {tls: {cert_file: x.crt, key_file: x.key}}\ndata_dir: data\n"
    )
    assert "server.tls: is not a certificate that fits its key" in failure(sekisho, "serve")
    (tmp_path / "x.key").unlink()
    assert "no such file or directory" in failure(sekisho, "check-config")


def test_a_key_that_is_none_is_told_without_being_shown(sekisho: Sekisho) -> None:
    sekisho.config.write_text("store: {encryption_keys: hunter2hunter2}\ndata_dir: data\n")
    said = failure(sekisho, "user", "list")
    assert "store.encryption_keys: encryption key 1" in said
    assert "hunter2" not in said


def test_a_locked_database_is_told(sekisho: Sekisho) -> None:
    sekisho.run("db", "upgrade")
    file = sekisho.folder / "data" / "sekisho.db"
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        said = failure(sekisho, "user", "list")
    finally:
        holder.close()
    assert "locked by another process" in said


def test_the_wrong_encryption_key_is_told(sekisho: Sekisho) -> None:
    sekisho.run("user", "list")
    (sekisho.folder / "data" / "encryption.key").write_text(
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
    )
    assert "none of the encryption keys opens" in failure(sekisho, "user", "list")


def test_a_database_that_is_no_database_is_told(sekisho: Sekisho) -> None:
    (sekisho.folder / "data").mkdir()
    (sekisho.folder / "data" / "sekisho.db").write_bytes(b"garbage" * 1000)
    assert "not a SQLite database" in failure(sekisho, "token", "list", "--user", "x")


def test_a_short_password_makes_nobody(sekisho: Sekisho) -> None:
    said = failure(sekisho, "user", "create", "alice", "--password-stdin", stdin="short\n")
    assert "12 characters" in said
    assert "alice" not in sekisho.run("user", "list").stdout


def test_no_password_at_all_is_told(sekisho: Sekisho) -> None:
    said = failure(sekisho, "user", "create", "alice", "--password-stdin", stdin="")
    assert "no password came on standard input" in said


@pytest.mark.parametrize("name", ["", " a", "a:b", "u-x", "a/b", "x" * 200, "a\nb"])
def test_a_name_that_would_confuse_is_refused(sekisho: Sekisho, name: str) -> None:
    said = failure(sekisho, "user", "create", "--password-stdin", "--", name, stdin=PASSWORD)
    assert "a user name" in said


def test_a_user_is_made_once(sekisho: Sekisho) -> None:
    sekisho.create_user("alice")
    again = failure(sekisho, "user", "create", "Alice", "--password-stdin", stdin=PASSWORD)
    assert 'signs in as "Alice" already' in again


def test_who_is_not_there_is_told(sekisho: Sekisho) -> None:
    for command in (
        ("token", "create", "--user", "nobody"),
        ("user", "disable", "nobody"),
        ("kubeconfig", "--user", "nobody"),
    ):
        assert "nobody" in failure(sekisho, *command)


def test_usage_errors_have_an_exit_code_of_their_own(sekisho: Sekisho) -> None:
    assert "is not a duration" in failure(
        sekisho, "token", "create", "--user", "x", "--ttl", "soon", code=2
    )
    assert "No such command" in failure(sekisho, "fly", code=2)


def test_a_token_may_not_outlive_the_limit(sekisho: Sekisho) -> None:
    sekisho.create_user("alice")
    said = failure(sekisho, "token", "create", "--user", "alice", "--ttl", "400d")
    assert "365 days at the most" in said
