"""``sekisho member``: who may enter a cluster or a project, and with which role."""

from typing import Any

import click

from proxy.cli.client.name_completion import CLUSTERS, PROJECTS, ROLES, USERS
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import Item, ServerSession, path_of
from proxy.cli.command_group import CommandGroup
from proxy.cli.common import warn
from proxy.cli.output.columns import Column, Kind, time_of
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer
from proxy.cli.prompts import confirmed
from proxy.cli.verbs.listing import Filter, Listing, list_command
from proxy.cli.verbs.lookup import find_group, find_project
from proxy.cli.verbs.options import given, yes_option


def _name(item: Item) -> object:
    return item.get("username") or item.get("name") or item.get("group")


MEMBER = Kind(
    "member",
    (
        Column("NAME", _name),
        Column("KIND", "kind"),
        Column("ROLE", "role"),
        Column("PROVIDER", "provider"),
        Column("SINCE", time_of("created_at")),
        Column("USER OR GROUP", lambda item: item.get("user") or item.get("group")),
        Column("DISPLAY NAME", "display_name", wide=True),
        Column("ID", "id", wide=True),
    ),
    name="display_name",
)


async def _place(session: ServerSession, cluster: str | None, project: str | None) -> list[str]:
    """Return the path's segments of the cluster or project. Raises UsageError."""
    if project is not None:
        # --cluster beside --project says which of several projects of a name is meant.
        found = await find_project(session, project, cluster)
        return ["projects", str(found["id"])]
    if cluster is None:
        raise click.UsageError("give --cluster CLUSTER or --project PROJECT")
    return ["clusters", cluster]


async def _path(session: ServerSession, cluster: str | None, project: str | None) -> str:
    return path_of(*await _place(session, cluster, project), "members")


def _cluster_option() -> click.Option:
    return click.Option(
        ["--cluster"], help="Members of this cluster, by name or id.", shell_complete=CLUSTERS
    )


def _project_option() -> click.Option:
    return click.Option(
        ["--project"],
        help="Members of this project: shop, prod/shop, or its id.",
        shell_complete=PROJECTS,
    )


LIST = Listing(
    MEMBER,
    _path,
    sorts=("name", "id", "role", "created_at"),
    filters=(
        Filter("role", "List only members with this role."),
        Filter("kind", "List only users, or only groups.", choices=("user", "group")),
    ),
    empty="It has no members.",
    options=(_cluster_option(), _project_option()),
)


def _where(command: Any) -> Any:
    command = click.option(
        "--project", help="The project: shop, prod/shop, or its id.", shell_complete=PROJECTS
    )(command)
    return click.option("--cluster", help="The cluster, by name or id.", shell_complete=CLUSTERS)(
        command
    )


_role = click.option(
    "--role",
    required=True,
    help="owner, member, read-only, or a role that you created.",
    shell_complete=ROLES,
)


@click.group(cls=CommandGroup)
def member() -> None:
    """Work with the members of a cluster or a project."""


member.add_command(list_command(LIST, "List the members of a cluster or a project."))


@member.command()
@click.argument("name", metavar="[USER]", required=False, shell_complete=USERS)
@click.option("--group", help="A group, by principal (github_team://42) or name, not a user.")
@click.option("--provider", help="The provider, if several have such a user or group.")
@_where
@_role
@server_command
@printed
async def add(
    session: ServerSession,
    printer: Printer,
    name: str | None,
    group: str | None,
    provider: str | None,
    cluster: str | None,
    project: str | None,
    role: str,
) -> None:
    """Give a user or a group a role, beside the roles that they hold there.

    USER is an id, a principal, or a username.
    """
    path = await _path(session, cluster, project)
    body = {**await subject(session, name, group), "role": role, **given(provider=provider)}
    _report(printer, (await session.send("POST", path, body)).data)


@member.command("set")
@click.argument("name", metavar="MEMBER", shell_complete=USERS)
@_where
@_role
@server_command
@printed
async def set_role(
    session: ServerSession,
    printer: Printer,
    name: str,
    cluster: str | None,
    project: str | None,
    role: str,
) -> None:
    """Replace all roles that MEMBER (a user, or a group's principal) has there with one."""
    path = path_of(*await _place(session, cluster, project), "members", name)
    _report(printer, (await session.send("PUT", path, {"role": role})).data)


@member.command()
@click.argument("name", metavar="MEMBER", shell_complete=USERS)
@_where
@yes_option
@server_command
async def remove(
    session: ServerSession, name: str, cluster: str | None, project: str | None, yes: bool
) -> None:
    """Remove all roles that MEMBER (a user, or a group's principal) has there."""
    path = path_of(*await _place(session, cluster, project), "members", name)
    where = f"project {project}" if project is not None else f"cluster {cluster}"
    confirmed(f"This removes {name} from {where}; running sessions there end.", yes=yes)
    await session.send("DELETE", path)
    click.echo(f"removed {name} from {where}")


async def subject(session: ServerSession, name: str | None, group: str | None) -> dict[str, object]:
    """Return the fields that name a user or a group. Raises UsageError, CommandFailed."""
    if (name is None) == (group is None):
        raise click.UsageError("give either USER or --group GROUP")
    if group is None:
        return {"user": name}
    found = await find_group(session, group)
    return given(group=found["id"], name=found["name"] or None)


def _report(printer: Printer, item: Item) -> None:
    if item.get("pending"):
        warn(f"not bound in the cluster yet: {item['pending']}")
    at = f" at {item['provider']}" if item.get("provider") else ""
    who = item.get("user") or item.get("group")
    printer.done(f"{_name(item)} ({who}{at}) is {item['role']}", MEMBER, item)
