"""docs/cli.md is what the commands say."""

import click
import pytest

from proxy.cli.main import main
from tests.docs.command_line import FILE, commands, reference


def test_reference_is_that_of_the_commands() -> None:
    assert FILE.read_text() == reference(), "run `make docs`"


@pytest.mark.parametrize(
    ("words", "command"), list(commands(main, ("sekisho",))), ids=lambda one: str(one)[:60]
)
def test_command_and_its_options_are_described(
    words: tuple[str, ...], command: click.Command
) -> None:
    assert (command.help or "").strip(), words
    for one in command.params:
        if isinstance(one, click.Option) and not one.hidden:
            assert one.help, (words, one.name)
