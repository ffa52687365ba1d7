"""Behaviour of all commands: ``-c``, streams, exit codes, one line for each error."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from proxy.cli.admin.database import offline_store
from proxy.cli.common import one_line_errors, plain, print_table
from proxy.cli.main import main
from store.records import Cluster, CredentialSource
from tests.proxy.cli.commands import run
from tests.proxy.cli.contexts import context_of
from tests.support.sekisho import PASSWORD, Sekisho, free_port, make_sekisho


def commands() -> Iterator[tuple[str, ...]]:
    """Yield the words of every command."""
    yield from _within(main, ())


def _within(command: click.Command | None, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        yield words
        return
    context = context_of(command)
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
    "words", [("version",), ("version", "-o", "json"), ("completion", "bash"), ("role", "--help")]
)
def test_output_on_a_full_disk_is_an_error_of_one_line(words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "proxy", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=Path(__file__).parents[3],
        )
    assert (done.returncode, done.stderr) == (1, "sekisho: error: no space left on device\n")


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
