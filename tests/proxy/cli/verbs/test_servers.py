"""Several servers, and servers that can't be used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.proxy.cli.verbs.conftest import CommandLine, World
from tests.support.directory_pki import make_pki
from tests.support.isolation import free_port
from tests.support.sekisho import PASSWORD


@pytest.fixture
def line(world: World, tmp_path: Path) -> CommandLine:
    """The command line on a new machine."""
    return CommandLine(world.server, tmp_path)


def error(text: str) -> str:
    """Assert that a command printed one error line, and return it."""
    [found] = text.splitlines()
    assert found.startswith("sekisho: error: ")
    return found


def test_command_without_a_server_names_the_login_command(line: CommandLine) -> None:
    for words in (("whoami",), ("logout",), ("login",), ("token", "create")):
        assert "sekisho login --server URL" in error(line.fails(*words))


def test_two_servers_are_known_by_name_and_one_is_used(world: World, line: CommandLine) -> None:
    ca_file = str(world.server.folder / "data" / "tls" / "ca.crt")
    options = ("--provider", "local", "--password-stdin", "--ca-file", ca_file)
    for name, host, user in (("one", "127.0.0.1", "alice"), ("two", "localhost", "bob")):
        url = f"https://{host}:{world.server.port}"
        line.run(
            *("login", "--server", url, "--name", name, "--username", user, *options),
            stdin=f"{PASSWORD}\n",
        )
    assert line.run("whoami", "-o", "name").stdout == "user/bob\n"
    assert line.run("whoami", "-o", "name", "--server", "one").stdout == "user/alice\n"
    line.run("server", "use", "one")
    assert line.run("whoami", "-o", "name").stdout == "user/alice\n"
    line.environment["SEKISHO_SERVER"] = "two"
    assert line.run("whoami", "-o", "name").stdout == "user/bob\n"
    del line.environment["SEKISHO_SERVER"]
    listed = line.json("server", "list")
    assert [(one["name"], one["current"]) for one in listed] == [("one", True), ("two", False)]
    assert line.run("server", "list").stdout.splitlines()[1].split()[:2] == ["*", "one"]
    assert "run `sekisho logout --server two` first" in line.fails("server", "remove", "two")
    line.run("logout", "--server", "two")
    line.run("server", "remove", "two")
    assert "not a known server" in error(line.fails("server", "use", "two"))
    assert "in use for" in error(
        line.fails("login", "--server", "https://other.example", "--name", "one")
    )


def test_expired_sign_in_names_the_login_command(
    world: World, line: CommandLine, root: CommandLine
) -> None:
    world.server.create_user("ivan")
    line.login("ivan")
    root.run("user", "revoke-tokens", "ivan", "--yes")
    refused = error(line.fails("clusters"))
    assert "has expired: run `sekisho login" in refused
    assert world.server.url in refused


def test_unreachable_server_and_wrong_ca_are_one_line(
    world: World, line: CommandLine, tmp_path: Path
) -> None:
    line.environment = {"SEKISHO_TOKEN": "token-a:b"}
    nowhere = f"https://127.0.0.1:{free_port()}"
    assert "connection refused" in error(line.fails("whoami", "--server", nowhere))
    line.environment["SEKISHO_CA_FILE"] = str(make_pki(tmp_path, "127.0.0.1").ca)
    refused = error(line.fails("whoami", "--server", world.server.url))
    assert "can't be verified" in refused
    line.environment["SEKISHO_CA_FILE"] = "/nowhere/ca.crt"
    assert "SEKISHO_CA_FILE" in error(line.fails("whoami", "--server", world.server.url))
    del line.environment["SEKISHO_CA_FILE"]
    assert "https://" in error(line.fails("whoami", "--server", "http://far.example"))


def test_broken_file_of_servers_is_named(line: CommandLine) -> None:
    line.login("alice")
    file = line.home / "sekisho" / "servers.json"
    file.write_text("{")
    for words in (("whoami",), ("server", "list"), ("logout",), ("clusters", "-o", "json")):
        assert str(file) in error(line.fails(*words))


def test_closed_pipe_ends_a_list_silently(world: World, alice: CommandLine) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "proxy", "clusters"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        cwd=Path(__file__).parents[4],
        env={**os.environ, "XDG_CONFIG_HOME": str(alice.home)},
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
