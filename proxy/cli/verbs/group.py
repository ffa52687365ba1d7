"""``sekisho group``: known groups."""

import click

from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import ServerSession, path_of
from proxy.cli.command_group import CommandGroup
from proxy.cli.common import warn
from proxy.cli.output.columns import Column, Kind
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer
from proxy.cli.verbs.access import HELD, held_rows
from proxy.cli.verbs.listing import Filter, Listing, list_command
from proxy.cli.verbs.lookup import find_group
from proxy.cli.verbs.user import USER

GROUP = Kind(
    "group",
    (
        Column("NAME", "name"),
        Column("PROVIDER", "provider"),
        Column("MEMBERS", "members"),
        Column("ID", "id"),
    ),
)

LIST = Listing(
    GROUP,
    "/v1/groups",
    sorts=("name", "id", "provider"),
    filters=(Filter("provider", "List only groups of this provider."),),
    empty="No group is known: a group is known when a member signs in, or a role is bound to it.",
)


@click.group(cls=CommandGroup)
def group() -> None:
    """Work with groups of the providers."""


group.add_command(
    list_command(LIST, "List the known groups. Without users.read, these are your own.")
)


@group.command()
@click.argument("name", metavar="GROUP")
@server_command
@printed
async def show(session: ServerSession, printer: Printer, name: str) -> None:
    """Show the roles that a group gives, by principal or name.

    Without users.read, GROUP is one of your own.
    """
    answer = await session.get(
        path_of("groups", str((await find_group(session, name))["id"]), "access")
    )
    if printer.format in {"json", "yaml"}:
        printer.one(HELD, answer)
        return
    shown = answer["group"]["name"]
    await printer.rows(HELD, held_rows(answer), empty=f"{shown} holds no role anywhere.")
    if answer["hidden"]:
        warn(f"{shown} holds roles in {answer['hidden']} more places that you may not see")


@group.command()
@click.argument("name", metavar="GROUP")
@server_command
@printed
async def members(session: ServerSession, printer: Printer, name: str) -> None:
    """List the known members of a group, by principal or name. Needs users.read.

    A member is known after the first sign-in, as the provider named the groups last.
    """
    path = path_of("groups", str((await find_group(session, name))["id"]), "members")
    await printer.rows(USER, session.list(path), empty="No member of this group is known.")
