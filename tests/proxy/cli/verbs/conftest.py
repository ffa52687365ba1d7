"""A server with users and clusters, and the command line as each user has it."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from proxy.cli.admin.database import offline_store
from proxy.cli.main import main
from tests.store.records import a_cluster
from tests.support.sekisho import PASSWORD, Sekisho, free_port, make_sekisho, running


@dataclass
class CommandLine:
    """The command line on the machine of one user, who is signed in."""

    server: Sekisho
    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *words: str, stdin: str | None = None, code: int = 0) -> Result:
        """Run a command in this process, and assert its exit code."""
        environment = {"XDG_CONFIG_HOME": str(self.home), **self.environment}
        for name in ("SEKISHO_SERVER", "SEKISHO_TOKEN", "SEKISHO_CONFIG"):
            environment.setdefault(name, "")
        done = CliRunner().invoke(main, words, input=stdin, env=environment)
        assert done.exit_code == code, (words, done.output, done.exception)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    def json(self, *words: str, stdin: str | None = None) -> Any:
        """Run a command with ``-o json`` and return what it prints."""
        return json.loads(self.run(*words, "-o", "json", stdin=stdin).stdout)

    def fails(self, *words: str, stdin: str | None = None, code: int = 1) -> str:
        """Run a command that fails, and return its standard error."""
        done = self.run(*words, stdin=stdin, code=code)
        assert "Traceback" not in done.stderr
        return done.stderr

    def login(self, user: str, *options: str) -> Result:
        """Sign in with a password."""
        ca_file = str(self.server.folder / "data" / "tls" / "ca.crt")
        return self.run(
            *("login", "--server", self.server.url, "--provider", "local", "--username", user),
            *("--password-stdin", "--ca-file", ca_file, *options),
            stdin=f"{PASSWORD}\n",
        )


@dataclass
class World:
    """A running server, and the command line of each user."""

    server: Sekisho
    folder: Path
    users: dict[str, str]
    lines: dict[str, CommandLine] = field(default_factory=dict)

    def of(self, user: str) -> CommandLine:
        """Return the command line of a user."""
        if user not in self.lines:
            line = CommandLine(self.server, self.folder / user)
            line.login(user)
            self.lines[user] = line
        return self.lines[user]


@pytest.fixture(scope="module")
def world(prepared_world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server with the clusters prod and test, which don't respond.

    root is an administrator, alice owns prod, and bob may enter nothing. Each module has its own
    server, so that nothing depends on modules before it.
    """
    yield from running_copy(prepared_world, tmp_path_factory.mktemp("verbs") / "server")


def running_copy(prepared: World, folder: Path) -> Iterator[World]:
    """Run a copy of a world in a folder that does not exist yet."""
    server = prepared.server.copied_to(folder)
    with running(server):
        yield World(server, folder, prepared.users)


@pytest.fixture(scope="session")
def prepared_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The world of which ``world`` runs copies."""
    folder = tmp_path_factory.mktemp("verbs")
    server = make_sekisho(folder, (free_port(), free_port()))
    users = {"root": server.create_user("root", "--admin")}
    users |= {name: server.create_user(name) for name in ("alice", "bob")}
    asyncio.run(_add_clusters(server))
    server.change("admin", "cluster", "grant", "prod", "--user", "alice", "--role", "owner")
    return World(server, folder, users)


@pytest.fixture
def root(world: World) -> CommandLine:
    """The command line of an administrator."""
    return world.of("root")


@pytest.fixture
def alice(world: World) -> CommandLine:
    """The command line of the owner of prod."""
    return world.of("alice")


@pytest.fixture
def bob(world: World) -> CommandLine:
    """The command line of a user without roles."""
    return world.of("bob")


async def _add_clusters(server: Sekisho) -> None:
    async with offline_store(str(server.config)) as (_, store):
        for name in ("prod", "test"):
            await store.clusters.create(a_cluster(name))
