"""Behaviour of all commands: ``-c``, streams, exit codes, one line for each error."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from proxy.cli.admin.database import offline_store
from proxy.cli.common import one_line_errors, plain, print_table
from proxy.cli.main import main
from store.records import Cluster, CredentialSource
from tests.support.permissions import make_world_readable
from tests.support.sekisho import PASSWORD, Sekisho, free_port, make_sekisho

KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@pytest.fixture
def sekisho(tmp_path: Path) -> Sekisho:
    return make_sekisho(tmp_path, (1, 2))


def run(*arguments: str | Path) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, [str(one) for one in arguments], catch_exceptions=False)


def commands() -> Iterator[tuple[str, ...]]:
    """Yield the words of every command."""
    yield from _within(main, ())


def _within(command: click.Command | None, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        yield words
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        if found is not None and not found.hidden:  # Former commands only name their place.
            yield from _within(found, (*words, name))


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_command_has_help_and_accepts_a_configuration(words: tuple[str, ...]) -> None:
    assert run(*words, "-h").exit_code == 0
    if words != ("demo",):  # the demo creates its configuration
        result = run(*words, "-c", "nowhere.yaml", "--no-such-option")
        assert result.exit_code == 2
        assert "No such option" in result.stderr
        assert "--no-such-option" in result.stderr


def test_option_c_after_the_command_takes_precedence(tmp_path: Path) -> None:
    result = run("-c", tmp_path / "a", "check-config", "-c", tmp_path / "b")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{tmp_path}/b does not exist" in result.stderr


def test_environment_variable_selects_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEKISHO_CONFIG", str(tmp_path / "x.yaml"))
    assert f"{tmp_path}/x.yaml does not exist" in run("check-config").stderr
    (tmp_path / "x.yaml").write_text("")
    assert run("check-config").stdout.startswith(f"{tmp_path}/x.yaml: the configuration is fine")


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


def test_check_config_prints_json(tmp_path: Path) -> None:
    file = tmp_path / "sekisho.yaml"
    file.write_text("serve: {}\n")
    result = run("check-config", "-o", "json", "-c", file)
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "ok": False,
        "problems": [
            {
                "place": f"{file}:1",
                "key": "serve",
                "message": "is not a setting; did you mean server?",
            }
        ],
    }
    file.write_text("")
    assert json.loads(run("check-config", "-o", "json", "-c", file).stdout)["ok"] is True


def test_warnings_go_to_standard_error_only(sekisho: Sekisho, postgres_database: str) -> None:
    sekisho.environment["SEKISHO_STORE__URL"] = postgres_database
    sekisho.create_user("alice")
    done = sekisho.run("admin", "token", "create", "--user", "alice")
    assert re.fullmatch(r"token-[a-z0-9]{10}:[\w-]{43}\n", done.stdout)
    assert "every replica needs the same one" in done.stderr


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


async def add_cluster(config: Path) -> None:
    """Store a cluster that gets no requests."""
    cluster = Cluster(
        id="c-aaaaaaaaaa",
        name="prod",
        servers=("https://nowhere.example",),
        ca_pem=None,
        tls_server_name=None,
        impersonator_token="x",
        controller_token=None,
        credential_source=CredentialSource.STATIC,
        tokens_expire_at=None,
        created_at=datetime.now(UTC),
    )
    async with offline_store(str(config)) as (_, store):
        await store.clusters.create(cluster)


def test_kubeconfig_that_fails_creates_no_token(sekisho: Sekisho) -> None:
    sekisho.create_user("root", "--admin")
    asyncio.run(add_cluster(sekisho.config))
    printed = sekisho.run("admin", "kubeconfig", "--user", "root").stdout
    assert "/k8s/clusters/c-aaaaaaaaaa" in printed
    (sekisho.folder / "data" / "tls" / "ca.key").unlink()
    refused = sekisho.run("admin", "kubeconfig", "--user", "root", check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "ca.key is missing; restore" in refused.stderr
    listed = json.loads(
        sekisho.run("admin", "token", "list", "--user", "root", "-o", "json").stdout
    )
    assert len(listed) == 1


def test_one_time_password_of_the_first_administrator_is_printed_once(tmp_path: Path) -> None:
    sekisho = make_sekisho(tmp_path, (free_port(), free_port()))
    sekisho.start()
    assert sekisho.stop() == 0
    password = sekisho.output.partition("one-time password: ")[2].split("\n")[0].strip()
    assert re.fullmatch(r"[a-z2-7]{5}(-[a-z2-7]{5}){4}", password)
    assert password not in sekisho.log
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert password.encode() not in kept
    sekisho.start()
    assert sekisho.stop() == 0
    assert sekisho.output == ""


def test_closed_standard_output_prints_no_error(sekisho: Sekisho) -> None:
    sekisho.create_user("alice")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "proxy", "admin", "user", "list", "-c", str(sekisho.config)],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")  # as a shell reports SIGPIPE


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (FileNotFoundError(2, "No such file or directory", "/x"), "/x: no such file or directory"),
        (OSError("odd"), "the system refused it"),
    ],
)
def test_operating_system_errors_are_one_line(error: OSError, line: str) -> None:
    @click.command()
    @one_line_errors
    def command() -> None:
        raise error

    result = CliRunner().invoke(command)
    assert (result.exit_code, result.stderr) == (1, f"sekisho: error: {line}\n")


def test_printed_text_contains_no_terminal_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert plain("a\x1b[2J\nb\u202ec\r") == "a [2J b c"
    print_table(["NAME"], [["\x1b]0;x\x07alice"], [None]])
    assert capsys.readouterr().out == "NAME\n ]0;x alice\n\n"


def test_password_without_password_stdin_is_rejected(sekisho: Sekisho) -> None:
    refused = sekisho.run("admin", "user", "create", "alice", stdin=PASSWORD, check=False)
    assert refused.returncode == 2
    assert "--password-stdin" in refused.stderr
