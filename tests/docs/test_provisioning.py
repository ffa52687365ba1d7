"""The pages about provisioning say what classes, states, and limits are."""

import json
import re
import shlex
from pathlib import Path
from typing import get_args

import click
import pytest

from management.provisioning.states import SLOW_AFTER
from proxy.cli.main import main
from store.order_records import OrderState
from tests.deploy.classes.shipped import CLASSES, example_of, variables_of
from tests.proxy.cli.contexts import context_of

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = DOCS / "provisioning.md"
PAGES = [GUIDE, *sorted((DOCS / "provisioning").glob("*.md"))]
HEADINGS = ["Install", "Credentials", "Variables", "Order", "Costs", "Limits"]


def page_of(name: str) -> str:
    return (DOCS / f"provisioning/{name}.md").read_text()


def variable_rows(name: str) -> list[str]:
    """Return the rows of the table of a class's variables, as the class describes them."""
    rows = []
    for variable, one in variables_of(name).items():
        schema = one["schema"]["openAPIV3Schema"]
        default = f"`{json.dumps(schema['default'])}`" if "default" in schema else "required"
        choice = " | ".join(f"`{value}`" for value in schema.get("enum", ()))
        meaning = schema["description"] + (f" One of {choice}." if choice else "")
        rows.append(f"| `{variable}` | {default} | {meaning.replace(' | ', ', ')} |")
    return rows


@pytest.mark.parametrize("name", CLASSES)
def test_page_lists_the_variables_of_its_class(name: str) -> None:
    [table] = re.findall(
        r"^\| Variable \| Default \| Meaning \|\n\|---\|---\|---\|\n((?:\|.*\n)*)",
        page_of(name),
        re.MULTILINE,
    )
    expected = variable_rows(name)
    assert table.splitlines() == expected, "\n".join(expected)


@pytest.mark.parametrize("name", CLASSES)
def test_page_has_the_order_of_the_example(name: str) -> None:
    comment = re.findall(r"^#   (.*)$", example_of(name).read_text(), re.MULTILINE)
    shown = [line.removeprefix("$ ").strip() for line in page_of(name).splitlines()]
    assert [line.strip() for line in comment if line.strip() not in shown] == []


@pytest.mark.parametrize("name", CLASSES)
def test_page_has_all_headings(name: str) -> None:
    headings = re.findall(r"^## (.+)$", page_of(name), re.MULTILINE)
    assert [one for one in headings if one in HEADINGS] == HEADINGS


def test_guide_names_each_class_that_ships() -> None:
    assert (
        sorted(re.findall(r"\(provisioning/(\w+)\.md\) \|$", GUIDE.read_text(), re.MULTILINE))
        == CLASSES
    )


def test_guide_explains_each_state_and_when_it_is_slow() -> None:
    section = GUIDE.read_text().partition("## Follow an order")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| [A-Z].+?\. \| ?(.*?) ?\|$", section, re.MULTILINE)
    assert [state for state, _ in rows] == list(get_args(OrderState))
    units = {"s": 1, "min": 60}
    documented = {
        state: int(limit.split()[0]) * units[limit.split()[1]] for state, limit in rows if limit
    }
    assert documented == {state: limit.total_seconds() for state, limit in SLOW_AFTER.items()}


def commands_in(text: str) -> list[tuple[list[str], bool]]:
    """Return the words of the commands in a page, and whether each one is complete."""
    blocks = "".join(re.findall(r"^ *```console\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL))
    whole = re.findall(r"^ *\$ (sekisho .*)$", blocks.replace("\\\n", " "), re.MULTILINE)
    named = re.findall(r"`(sekisho [^`]*)`", text)
    return [(shlex.split(one)[1:], one in whole) for one in [*whole, *named]]


def parse(words: list[str]) -> click.Context:
    """Parse the words of a command. Raises UsageError."""
    group: click.Group = main
    context = context_of(main)
    while True:
        name, command, words = group.resolve_command(context, words)
        assert command is not None
        if not isinstance(command, click.Group):
            return command.make_context(name, words, parent=context)
        group, context = command, context_of(command, info_name=name, parent=context)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_in_the_pages_exist_with_their_options(page: Path) -> None:
    commands = commands_in(page.read_text())
    assert commands
    for words, is_complete in commands:
        try:
            parse(words)
        except click.MissingParameter:
            assert not is_complete, words


def test_command_that_does_not_exist_is_found() -> None:
    for words in ("cluster order x", "cluster scale x workers five", "cluster scale x --now"):
        with pytest.raises(click.UsageError):
            parse(words.split())
