"""A group of commands whose help shows each command's whole summary."""

from collections.abc import Mapping
from typing import Any

import click

_WHOLE = 1000
"""Characters, more than a summary of a command has: none is cut."""


class CommandGroup(click.Group):
    """A group whose help wraps summaries. Click cuts them, often before the words that matter.

    ``headings`` divide the help: each is for the commands from the named one to the next heading.
    """

    def __init__(
        self, *args: Any, headings: Mapping[str, str] | None = None, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.headings = headings or {}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands below their headings."""
        heading = "Commands"
        sections: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            heading = self.headings.get(name, heading)
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                row = (name, command.get_short_help_str(_WHOLE))
                sections.setdefault(heading, []).append(row)
        for heading, rows in sections.items():
            with formatter.section(heading):
                formatter.write_dl(rows)
