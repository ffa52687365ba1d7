"""What all commands do alike: ``-c``, streams, exit codes, one line for each error."""

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

from proxy.cli import main
from proxy.cli.common import offline_store, one_line_errors, plain, print_table
from store.interfaces import Cluster, CredentialSource
from tests.parts.folders import let_others_in
from tests.parts.sekisho import PASSWORD, Sekisho, free_port, make_sekisho

KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@pytest.fixture
def sekisho(tmp_path: Path) -> Sekisho:
    return make_sekisho(tmp_path, (1, 2))


def run(*arguments: str | Path) -> Result:
    """A command in this process."""
    return CliRunner().invoke(main, [str(one) for one in arguments], catch_exceptions=False)


def commands() -> Iterator[tuple[str, ...]]:
    """Every command, by its words."""
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ((name, inner) for inner in command.commands)
        else:
            yield (name,)


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_has_help_and_takes_a_configuration(words: tuple[str, ...]) -> None:
    assert run(*words, "-h").exit_code == 0
    if words != ("demo",):  # has a configuration of its own
        result = run(*words, "-c", "nowhere.yaml", "--no-such-option")
        assert result.exit_code == 2
        assert "No such option" in result.stderr
        assert "--no-such-option" in result.stderr


def test_the_configuration_beside_the_command_wins(tmp_path: Path) -> None:
    result = run("-c", tmp_path / "a", "check-config", "-c", tmp_path / "b")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{tmp_path}/b doesn't exist" in result.stderr


def test_an_environment_variable_names_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEKISHO_CONFIG", str(tmp_path / "x.yaml"))
    assert f"{tmp_path}/x.yaml doesn't exist" in run("check-config").stderr
    (tmp_path / "x.yaml").write_text("")
    assert run("check-config").stdout.startswith(f"{tmp_path}/x.yaml: the configuration is fine")


def test_without_any_configuration_a_new_store_is_announced_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEKISHO_CONFIG", raising=False)
    first, second = run("user", "list", "-o", "json"), run("user", "list", "-o", "json")
    assert first.stderr == (
        "sekisho: warning: there is no sekisho.yaml here: "
        f"the defaults are used, in {tmp_path}/sekisho-data\n"
    )
    assert second.stderr == ""
    assert json.loads(first.stdout) == []


def test_check_config_speaks_json(tmp_path: Path) -> None:
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


def test_warnings_stay_away_from_what_programs_read(
    sekisho: Sekisho, postgres_database: str
) -> None:
    sekisho.environment["SEKISHO_STORE__URL"] = postgres_database
    sekisho.create_user("alice")
    done = sekisho.run("token", "create", "--user", "alice")
    assert re.fullmatch(r"token-[a-z0-9]{10}:[\w-]{43}\n", done.stdout)
    assert "every replica needs the same one" in done.stderr


@contextmanager
def not_root() -> Iterator[None]:
    """As a user whom file modes mean something to."""
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
    """A configuration whose database nobody but root can write to."""
    folder = tmp_path / "db"
    folder.mkdir()
    file = tmp_path / "sekisho.yaml"
    file.write_text(f"store: {{url: 'sqlite:///db/x.db', encryption_keys: '{KEY}'}}\n")
    assert run("user", "list", "-c", file).exit_code == 0
    for path in (*folder.iterdir(), folder):
        path.chmod(0o555)
    let_others_in(tmp_path)
    yield file
    folder.chmod(0o755)


def test_a_read_only_database_is_told(read_only: Path) -> None:
    with not_root():
        result = run("user", "create", "alice", "--password-stdin", "-c", read_only)
    assert (result.exit_code, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("sekisho: error: the database file ")
    assert "read-only; let this user write the file and its folder" in line


def test_a_data_dir_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o555)
    (tmp_path / "sekisho.yaml").write_text("data_dir: data\n")
    let_others_in(tmp_path)
    with not_root():
        result = run("user", "list", "-c", tmp_path / "sekisho.yaml")
    assert (result.exit_code, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert "mend its permissions" in line
    assert list((tmp_path / "data").iterdir()) == []


async def add_cluster(config: Path) -> None:
    """Store a cluster that nobody is going to ask."""
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


def test_no_token_is_made_where_the_kubeconfig_can_not_be(sekisho: Sekisho) -> None:
    sekisho.create_user("root", "--admin")
    asyncio.run(add_cluster(sekisho.config))
    printed = sekisho.run("kubeconfig", "--user", "root").stdout
    assert "/k8s/clusters/c-aaaaaaaaaa" in printed
    (sekisho.folder / "data" / "tls" / "ca.key").unlink()
    refused = sekisho.run("kubeconfig", "--user", "root", check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "ca.key is missing; restore" in refused.stderr
    listed = json.loads(sekisho.run("token", "list", "--user", "root", "-o", "json").stdout)
    assert len(listed) == 1


def test_the_first_administrator_is_told_once(tmp_path: Path) -> None:
    sekisho = make_sekisho(tmp_path, (free_port(), free_port()))
    sekisho.start()
    assert sekisho.stop() == 0
    password = sekisho.output.partition("one-time password: ")[2].strip()
    assert re.fullmatch(r"[a-z2-7]{5}(-[a-z2-7]{5}){4}", password)
    assert password not in sekisho.log
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert password.encode() not in kept
    sekisho.start()
    assert sekisho.stop() == 0
    assert sekisho.output == ""


def test_a_reader_that_has_seen_enough_is_no_error(sekisho: Sekisho) -> None:
    sekisho.create_user("alice")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "proxy", "user", "list", "-c", str(sekisho.config)],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (FileNotFoundError(2, "No such file or directory", "/x"), "/x: no such file or directory"),
        (OSError("odd"), "odd"),
    ],
)
def test_errors_of_the_system_are_one_line(error: OSError, line: str) -> None:
    @click.command()
    @one_line_errors
    def command() -> None:
        raise error

    result = CliRunner().invoke(command)
    assert (result.exit_code, result.stderr) == (1, f"sekisho: error: {line}\n")


def test_nothing_that_others_wrote_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert plain("a\x1b[2J\nb\u202ec\r") == "a [2J b c"
    print_table(["NAME"], [["\x1b]0;x\x07alice"], [None]])
    assert capsys.readouterr().out == "NAME\n ]0;x alice\n\n"


def test_a_password_comes_on_standard_input_only(sekisho: Sekisho) -> None:
    refused = sekisho.run("user", "create", "alice", stdin=PASSWORD, check=False)
    assert refused.returncode == 2
    assert "--password-stdin" in refused.stderr
