"""Prompts on a terminal: Ctrl-C and Ctrl-D end the command at each of them."""

import os
import sys
from collections.abc import Mapping

import pytest

from tests.proxy.cli.verbs.conftest import CommandLine, World
from tests.support.sekisho import PASSWORD
from tests.support.typed import END_OF_INPUT, INTERRUPT, TypedCommand


def typed(line: CommandLine, *words: str) -> TypedCommand:
    """Start a command on a terminal."""
    environment: Mapping[str, str] = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "PYTHONPATH": os.pathsep.join(one for one in sys.path if one),
        "XDG_CONFIG_HOME": str(line.home),
    }
    return TypedCommand([sys.executable, "-m", "proxy", *words], environment)


def login_words(world: World) -> tuple[str, ...]:
    ca_file = str(world.server.folder / "data" / "tls" / "ca.crt")
    return ("login", "--server", world.server.url, "--ca-file", ca_file)


PROMPTS = {
    "user name": (("login",), ("User name",)),
    "password": (("login",), ("User name", "Password")),
    "confirmation": (("user", "delete", "alice"), ("Continue?",)),
    "new password": (("user", "create", "gina"), ("Password",)),
    "repeated password": (("user", "create", "gina"), ("Password", "Repeat it")),
    "secret": (("provider", "add", "x", "--type", "oidc", "--ask", "client_secret"), ("client_",)),
}


@pytest.mark.parametrize("name", PROMPTS)
@pytest.mark.parametrize(("key", "code"), [(INTERRUPT, 130), (END_OF_INPUT, 1)])
def test_key_at_a_prompt_ends_the_command_and_changes_nothing(
    world: World, root: CommandLine, name: str, key: str, code: int
) -> None:
    words, prompts = PROMPTS[name]
    line = root
    if words == ("login",):
        line, words = CommandLine(world.server, world.folder / "new"), login_words(world)
    command = typed(line, *words)
    for prompt in prompts[:-1]:
        command.expect(prompt)
        command.type("alice-or-a-long-password\r")
    command.expect(prompts[-1])
    command.type(key)
    assert command.end(again=key) == code, command.shown
    assert "Traceback" not in command.shown
    assert ("no answer" in command.shown) == (code == 1)
    assert '"gina" not found' in root.fails("user", "show", "gina")
    assert root.json("user", "show", "alice")["enabled"]


def test_sign_in_and_confirmation_are_typed(world: World, root: CommandLine) -> None:
    world.server.create_user("hugo")
    line = CommandLine(world.server, world.folder / "hugo")
    command = typed(line, *login_words(world))
    command.expect("User name")
    command.type("hugo\r")
    command.expect("Password")
    command.type(f"{PASSWORD}\r")
    assert command.end() == 0, command.shown
    assert PASSWORD not in command.shown
    assert line.run("whoami", "-o", "name").stdout == "user/hugo\n"
    command = typed(root, "user", "delete", "hugo")
    command.expect("This deletes hugo")
    command.expect("Continue? [y/N]")
    command.type("n\r")
    assert command.end() == 1
    assert "nothing was changed" in command.shown
    command = typed(root, "user", "delete", "hugo")
    command.expect("Continue?")
    command.type("y\r")
    assert command.end() == 0
    assert '"hugo" not found' in root.fails("user", "show", "hugo")
