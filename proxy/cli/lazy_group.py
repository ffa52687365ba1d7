"""A group of commands that imports a command when it is used."""

import difflib
import importlib
from collections.abc import Mapping
from typing import Any

import click

from proxy.cli.command_group import CommandGroup
from proxy.cli.common import fail


class LazyGroup(CommandGroup):
    """A group whose commands are named by ``module:attribute`` in ``table``.

    ``unlisted`` commands work and are not in the help. ``moved`` has, for a former command, the
    sentence that says where it is now.
    """

    def __init__(
        self,
        *args: Any,
        table: Mapping[str, str],
        unlisted: Mapping[str, str] | None = None,
        moved: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.table = table
        self.unlisted = unlisted or {}
        self.moved = moved or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the table."""
        return [*self.table, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command. None if there is none of that name."""
        where = self.table.get(cmd_name) or self.unlisted.get(cmd_name)
        if where is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = where.partition(":")
        try:
            command: click.Command = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as exc:
            if not f"{module}.".startswith(f"{exc.name}."):
                raise
            return _of_the_server(cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of ``args``. Raises UsageError, which names a moved command's place."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], self.list_commands(ctx), 1)
            meant = f" Did you mean {close[0]}?" if close else ""
            ctx.fail(self.moved.get(args[0]) or f"No such command '{args[0]}'.{meant}")
        return super().resolve_command(ctx, args)


def _of_the_server(name: str) -> click.Command:
    """Return a command that is not in the client's distribution, and says so."""

    @click.command(name, hidden=True, add_help_option=False)
    @click.argument("rest", nargs=-1, type=click.UNPROCESSED)
    def refuse(rest: tuple[str, ...]) -> None:
        fail("this needs the server's package: pip install sekisho")

    refuse.context_settings["ignore_unknown_options"] = True
    return refuse
