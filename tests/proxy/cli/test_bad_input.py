"""Invalid input to commands: one readable line, exit code 1, and nothing is changed."""

import socket
import sqlite3
from pathlib import Path

import pytest

from tests.support.sekisho import PASSWORD, Sekisho, make_sekisho


def failure(sekisho: Sekisho, *arguments: str, stdin: str | None = None, code: int = 1) -> str:
    """Run a command, assert that it fails, and return its standard error."""
    done = sekisho.run(*arguments, stdin=stdin, check=False)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr


def test_missing_configuration_file_is_named(sekisho: Sekisho) -> None:
    errors = failure(sekisho, "check-config", "-c", "/nowhere/sekisho.yaml")
    assert errors == (
        "sekisho: error: the file /nowhere/sekisho.yaml does not exist; "
        "create it or correct the path\n"
    )


def test_option_c_is_accepted_before_the_command(sekisho: Sekisho) -> None:
    assert "/nowhere" in failure(sekisho, "-c", "/nowhere/x", "check-config")


def test_invalid_configuration_reports_all_problems_with_those_of_providers(
    sekisho: Sekisho,
) -> None:
    sekisho.config.write_text(
        "server: {listen: nonsense}\nproviders:\n- {type: nope, name: a}\nmetric: {}\n"
    )
    errors = failure(sekisho, "serve").splitlines()
    assert len(errors) == 3
    sekisho.config.write_text(
        "providers:\n- {type: nope, name: a}\n- {type: local, name: b, x: 1}\n"
    )
    errors = failure(sekisho, "check-config").splitlines()
    assert "sekisho.yaml:2: providers[0].type: 'nope' is not installed; known: " in errors[0]
    assert "local" in errors[0].partition("known: ")[2].split(", ")
    assert "sekisho.yaml:3: providers[1].x: is not a setting" in errors[1]


def test_check_config_creates_no_files(sekisho: Sekisho) -> None:
    done = sekisho.run("check-config")
    assert "the configuration is fine" in done.stdout
    assert not (sekisho.folder / "data").exists()


def test_serve_with_a_port_in_use_names_the_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sekisho = make_sekisho(tmp_path, (port, 0))
        errors = failure(sekisho, "serve")
    assert f"sekisho: error: server.listen: port {port} is in use" in errors


def test_serve_with_a_certificate_of_another_key_is_rejected(
    sekisho: Sekisho, tmp_path: Path
) -> None:
    (tmp_path / "x.crt").write_text("nonsense")
    (tmp_path / "x.key").write_text("nonsense")
    sekisho.config.write_text(
        "server: {tls: {cert_file: x.crt, key_file: x.key}}\ndata_dir: data\n"
    )
    assert "server.tls: is not a certificate that matches its key" in failure(sekisho, "serve")
    (tmp_path / "x.key").unlink()
    assert "no such file or directory" in failure(sekisho, "check-config")


def test_invalid_encryption_key_is_reported_without_its_value(sekisho: Sekisho) -> None:
    sekisho.config.write_text("store: {encryption_keys: hunter2hunter2}\ndata_dir: data\n")
    errors = failure(sekisho, "admin", "user", "list")
    assert "store.encryption_keys: encryption key 1" in errors
    assert "hunter2" not in errors


def test_locked_database_is_reported(sekisho: Sekisho) -> None:
    sekisho.run("admin", "db", "upgrade")
    file = sekisho.folder / "data" / "sekisho.db"
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        errors = failure(sekisho, "admin", "user", "list")
    finally:
        holder.close()
    assert "locked by another process" in errors


def test_wrong_encryption_key_is_reported(sekisho: Sekisho) -> None:
    sekisho.run("admin", "db", "upgrade")
    sekisho.run("admin", "user", "list")
    (sekisho.folder / "data" / "encryption.key").write_text(
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
    )
    assert "none of the encryption keys opens" in failure(sekisho, "admin", "user", "list")


def test_file_that_is_not_a_database_is_reported(sekisho: Sekisho) -> None:
    (sekisho.folder / "data").mkdir()
    (sekisho.folder / "data" / "sekisho.db").write_bytes(b"garbage" * 1000)
    assert "not a SQLite database" in failure(sekisho, "admin", "token", "list", "--user", "x")


def test_short_password_creates_no_user(sekisho: Sekisho) -> None:
    errors = failure(
        sekisho, "admin", "user", "create", "alice", "--password-stdin", stdin="short\n"
    )
    assert "12 characters" in errors
    assert "alice" not in sekisho.run("admin", "user", "list").stdout


def test_empty_standard_input_reports_a_missing_password(sekisho: Sekisho) -> None:
    errors = failure(sekisho, "admin", "user", "create", "alice", "--password-stdin", stdin="")
    assert "standard input has no password" in errors


@pytest.mark.parametrize("name", ["", " a", "a:b", "u-x", "a/b", "x" * 200, "a\nb"])
def test_ambiguous_username_is_rejected(sekisho: Sekisho, name: str) -> None:
    errors = failure(
        sekisho, "admin", "user", "create", "--password-stdin", "--", name, stdin=PASSWORD
    )
    assert "a username" in errors


@pytest.mark.parametrize("shown", ["Al\u202eice", "Al\u200bice", " Alice", "a\nb"])
def test_display_name_with_invisible_characters_is_rejected(sekisho: Sekisho, shown: str) -> None:
    errors = failure(
        sekisho,
        "admin",
        "user",
        "create",
        "alice",
        "--display-name",
        shown,
        "--password-stdin",
        stdin=PASSWORD,
    )
    assert "a display name" in errors


def test_username_in_use_is_rejected(sekisho: Sekisho) -> None:
    sekisho.create_user("alice")
    again = failure(sekisho, "admin", "user", "create", "Alice", "--password-stdin", stdin=PASSWORD)
    assert 'signs in as "Alice" already' in again


def test_unknown_user_is_named(sekisho: Sekisho) -> None:
    sekisho.run("admin", "db", "upgrade")
    for command in (
        ("admin", "token", "create", "--user", "mallory"),
        ("admin", "user", "disable", "mallory"),
        ("admin", "kubeconfig", "--user", "mallory"),
    ):
        assert "mallory" in failure(sekisho, *command)


def test_usage_error_has_exit_code_2(sekisho: Sekisho) -> None:
    assert "is not a duration" in failure(
        sekisho, "admin", "token", "create", "--user", "x", "--ttl", "soon", code=2
    )
    assert "No such command 'fly'." in failure(sekisho, "fly", code=2)
    assert "Did you mean cluster" in failure(sekisho, "clustr", code=2)


def test_token_lifetime_over_the_limit_is_rejected(sekisho: Sekisho) -> None:
    sekisho.create_user("alice")
    errors = failure(sekisho, "admin", "token", "create", "--user", "alice", "--ttl", "400d")
    assert "at most 365 days" in errors
