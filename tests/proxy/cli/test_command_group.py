"""The help of groups, on a narrow terminal."""

from collections.abc import Iterator

import click
import pytest

from proxy.cli.command_group import CommandGroup
from proxy.cli.main import main
from tests.proxy.cli.contexts import context_of


def groups(group: click.Group, path: str = "sekisho") -> Iterator[tuple[str, click.Group]]:
    """Yield a group with its path, and all below it."""
    yield path, group
    context = context_of(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from groups(command, f"{path} {name}")


@pytest.mark.parametrize(("path", "group"), list(groups(main)))
def test_help_of_a_group_has_whole_summaries(path: str, group: click.Group) -> None:
    assert isinstance(group, CommandGroup), f"{path} needs cls=CommandGroup"
    context = context_of(group, info_name=path, terminal_width=80)
    lines = group.get_help(context).splitlines()
    assert [one for one in lines if one.endswith("...") and not one.startswith("Usage:")] == []
    assert max(map(len, lines)) <= 80


def test_headings_divide_the_help() -> None:
    made = CommandGroup("made", headings={"b": "Others"})
    for name in ("a", "b"):
        made.add_command(click.Command(name, help=f"Do {name}."))
    shown = made.get_help(context_of(made))
    assert shown.index("Commands:") < shown.index("Do a.") < shown.index("Others:")
    assert shown.index("Others:") < shown.index("Do b.")
