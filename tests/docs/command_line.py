"""Write docs/cli.md, the reference of all commands, from the commands themselves.

``python -m tests.docs.command_line`` (or ``make docs``) writes it; a test compares.
"""

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from proxy.cli.main import main
from tests.proxy.cli.contexts import context_of

FILE = Path(__file__).parents[2] / "docs" / "cli.md"

WIDTH = 120

INTRODUCTION = """\
# Commands

`make docs` writes this page from the commands; don't edit it. [The command line](cli-guide.md)
is about their use.

All commands take `--help` and `-c FILE`. Those that act on a server take `--server SERVER`, a name
or URL. Those that show objects take `-o table|wide|json|yaml|name`.
"""

COMMON = {"help", "server", "config", "config_file", "output"}
"""Parameters that are described once, above. A command that means something else shows it."""

COMMON_HELP = re.compile(r"^(Format of the result|A server's name or URL|Configuration file)")


def reference() -> str:
    """Return the page."""
    parts = [INTRODUCTION]
    for words, command in commands(main, ("sekisho",)):
        parts.append("\n".join(_section(words, command)))
    return "\n".join(parts)


def commands(
    group: click.Group, words: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command that is not hidden, groups before their commands."""
    context = context_of(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        yield (*words, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))


def _section(words: tuple[str, ...], command: click.Command) -> Iterator[str]:
    name = " ".join(words)
    level = "##" if len(words) == 2 else "###"
    yield f"{level} {name}"
    yield ""
    if not isinstance(command, click.Group):
        usage = " ".join([name, *_arguments(command)])
        options = " [OPTIONS]" if any(_options(command)) else ""
        yield f"```\n{usage}{options}\n```"
        yield ""
    yield from _paragraphs(command)
    rows = [_row(one) for one in _options(command)]
    if rows:
        yield "| Option | Meaning |"
        yield "|---|---|"
        yield from rows
        yield ""


def _paragraphs(command: click.Command) -> Iterator[str]:
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        marker, _, lines = paragraph.partition("\n")
        # The marker of paragraphs that click does not wrap, such as examples.
        yield f"```\n{inspect.cleandoc(lines)}\n```" if marker == "\b" else _wrapped(paragraph)
        yield ""


def _wrapped(text: str) -> str:
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return "\n".join([*lines, line])


def _arguments(command: click.Command) -> list[str]:
    context = context_of(command)
    return [one.make_metavar(context) for one in command.params if isinstance(one, click.Argument)]


def _options(command: click.Command) -> Iterator[click.Option]:
    for one in command.params:
        if not isinstance(one, click.Option) or one.hidden:
            continue
        if one.name in COMMON and COMMON_HELP.match(one.help or ""):
            continue
        yield one


def _row(option: click.Option) -> str:
    context = context_of(click.Command("x"))
    names = ", ".join(sorted(option.opts, key=len))
    if option.secondary_opts:
        names += "/" + "/".join(option.secondary_opts)
    value = "" if option.is_flag else f" {option.make_metavar(context)}"
    need = "Required. " if option.required else ""
    meaning = f"{need}{option.help or ''}".replace("|", "\\|")
    return f"| `{names}{value}` | {meaning} |".replace("`--", "`--")


if __name__ == "__main__":
    FILE.write_text(reference())
    sys.stdout.write(f"wrote {FILE}\n")
