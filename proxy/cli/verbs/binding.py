"""``sekisho binding``: holders of global roles."""

import click

from proxy.cli.client.name_completion import ROLES, USERS
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import Item, ServerSession, path_of
from proxy.cli.command_group import CommandGroup
from proxy.cli.common import CommandFailed
from proxy.cli.output.columns import Column, Kind, time_of
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer
from proxy.cli.prompts import confirmed
from proxy.cli.verbs.listing import Filter, Listing, list_command
from proxy.cli.verbs.member import subject
from proxy.cli.verbs.options import given, yes_option

BINDING = Kind(
    "binding",
    (
        Column("ROLE", "role"),
        Column("NAME", "name"),
        Column("KIND", "kind"),
        Column("PROVIDER", "provider"),
        Column("SINCE", time_of("created_at")),
        Column("ID", "id"),
        Column("USER OR GROUP", lambda item: item.get("user") or item.get("group"), wide=True),
    ),
    name="id",
)

LIST = Listing(
    BINDING,
    "/v1/bindings",
    sorts=("name", "id", "role", "created_at"),
    filters=(
        Filter("role", "List only holders of this role."),
        Filter("user", "List only the bindings of the user with this id."),
        Filter("group", "List only the bindings of this group (its principal)."),
    ),
    empty="No global role is bound.",
)


@click.group(cls=CommandGroup)
def binding() -> None:
    """Work with the holders of global roles, such as administrator."""


binding.add_command(list_command(LIST, "List the holders of global roles."))


@binding.command()
@click.argument("role", shell_complete=ROLES)
@click.option("--user", help="A user: id, principal, or username.", shell_complete=USERS)
@click.option("--group", help="A group: its principal (github_team://42), or its name.")
@click.option("--provider", help="The provider, if several have such a user or group.")
@server_command
@printed
async def create(
    session: ServerSession,
    printer: Printer,
    role: str,
    user: str | None,
    group: str | None,
    provider: str | None,
) -> None:
    """Give a user or a group the global role ROLE."""
    body = {**await subject(session, user, group), "role": role, **given(provider=provider)}
    made = (await session.send("POST", "/v1/bindings", body)).data
    at = f" at {made['provider']}" if made.get("provider") else ""
    who = f"{made['name']} ({made.get('user') or made.get('group')}{at})"
    printer.done(f"{who} is {made['role']} ({made['id']})", BINDING, made)


@binding.command()
@click.argument("binding_id", metavar="[BINDING]", required=False)
@click.option("--role", help="The role, instead of a binding's id. With:")
@click.option("--user", help="its holder: id, principal, or username.")
@click.option("--group", help="or a group: its principal, or its name.")
@yes_option
@server_command
async def delete(
    session: ServerSession,
    binding_id: str | None,
    role: str | None,
    user: str | None,
    group: str | None,
    yes: bool,
) -> None:
    """Take a global role from its holder."""
    found = await _find(session, binding_id, role, user or group)
    who = f"{found['name']} ({found.get('user') or found.get('group')})"
    confirmed(f"This takes the role {found['role']} from {who}.", yes=yes)
    await session.send("DELETE", path_of("bindings", str(found["id"])))
    click.echo(f"{who} is no longer {found['role']}")


async def _find(
    session: ServerSession, binding_id: str | None, role: str | None, holder: str | None
) -> Item:
    """Return the binding with that id, or of that role and holder. Raises CommandFailed."""
    if (binding_id is None) == (role is None or holder is None):
        raise click.UsageError("give BINDING (its id), or --role with --user or --group")
    found = [
        one
        async for one in session.list("/v1/bindings")
        if (
            one["id"] == binding_id
            if binding_id is not None
            else role in {one["role"], one["role_id"]}
            and holder in {one["user"], one["group"], one["name"]}
        )
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise CommandFailed("there is no such binding; see `sekisho binding list`")
    ids = ", ".join(f"{one['id']} ({one['provider']})" for one in found)
    raise CommandFailed(f"several holders have that name: give the id of the binding, one of {ids}")
