"""``sekisho project``: projects at a server."""

from pathlib import Path
from typing import Any

import click

from proxy.cli.client.name_completion import CLUSTERS, PROJECTS
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import ServerSession, path_of
from proxy.cli.command_group import CommandGroup
from proxy.cli.output.columns import Column, Item, Kind, age_of
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer
from proxy.cli.prompts import confirmed
from proxy.cli.verbs.changes import change_and_print, delete_and_print
from proxy.cli.verbs.listing import Filter, Listing, list_command
from proxy.cli.verbs.lookup import find_project, read_project
from proxy.cli.verbs.options import given, pairs, read_object, require_change, yes_option

PROJECT = Kind(
    "project",
    (
        Column("NAME", "name"),
        Column("CLUSTER", lambda item: item.get("cluster_name") or item.get("cluster")),
        Column("NAMESPACES", lambda item: len(item.get("namespaces") or ())),
        Column("ISOLATED", "isolated"),
        Column("AGE", age_of("created_at")),
        Column("ID", "id"),
        Column("DESCRIPTION", "description", wide=True),
        Column("QUOTA", "quota", wide=True),
        Column("NAMESPACE QUOTA", "namespace_quota", wide=True),
        Column("CONTAINER LIMITS", "container_limits", wide=True),
        Column("IN IT", "namespaces", wide=True),
    ),
)

LIST = Listing(
    PROJECT,
    "/v1/projects",
    sorts=("name", "id", "cluster", "created_at"),
    filters=(
        Filter("cluster", "List only projects in the cluster of this name.", "cluster_name"),
        Filter("name", "List only projects with this name."),
    ),
    empty="There is no project that you may see.",
)


@click.group(cls=CommandGroup)
def project() -> None:
    """Work with projects: namespaces of a cluster with one access policy."""


project.add_command(list_command(LIST, "List the projects that you may see."))

_FILE = click.option(
    "-f",
    "--file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Read fields from a YAML or JSON file (- is standard input).",
)
_FIELDS = (
    click.option("--description", help="What the project is for."),
    click.option("--quota", multiple=True, metavar="R=N", help="For all its namespaces: pods=50."),
    click.option(
        "--namespace-quota", multiple=True, metavar="R=N", help="For each namespace: pods=10."
    ),
    click.option(
        "--isolated/--not-isolated", default=None, help="Only its own pods reach its pods."
    ),
    _FILE,
)


def _with_fields(command: Any) -> Any:
    for option in reversed(_FIELDS):
        command = option(command)
    return command


def _body(
    file: Path | None,
    quota: tuple[str, ...],
    namespace_quota: tuple[str, ...],
    **fields: object,
) -> dict[str, object]:
    body: dict[str, object] = read_object(file) if file is not None else {}
    body |= given(**fields)
    if quota:
        body["quota"] = pairs(quota, "--quota")
    if namespace_quota:
        body["namespace_quota"] = pairs(namespace_quota, "--namespace-quota")
    return body


@project.command()
@click.argument("name", metavar="PROJECT", shell_complete=PROJECTS)
@server_command
@printed
async def show(session: ServerSession, printer: Printer, name: str) -> None:
    """Show a project, by name (shop, prod/shop) or id."""
    printer.one(PROJECT, await find_project(session, name))


USAGE = Kind(
    "namespace",
    (
        Column("NAMESPACE", "name"),
        Column("USED", "used"),
        Column("LIMIT", "hard"),
    ),
    key="name",
)


@project.command()
@click.argument("name", metavar="PROJECT", shell_complete=PROJECTS)
@server_command
@printed
async def usage(session: ServerSession, printer: Printer, name: str) -> None:
    """Show what a project and its namespaces use of their quotas."""
    found = await find_project(session, name)
    item = await session.get(path_of("projects", str(found["id"]), "usage"))
    whole = {"name": "(all)", "used": item["used"], "hard": item["hard"]}
    await printer.rows(USAGE, [whole, *item["namespaces"]])


@project.command()
@click.argument("name")
@click.option(
    "--cluster", required=True, help="The cluster, by name or id.", shell_complete=CLUSTERS
)
@_with_fields
@server_command
@printed
async def create(session: ServerSession, printer: Printer, name: str, **fields: Any) -> None:
    """Create a project in a cluster. You become its owner."""
    body = {**_body(**fields), "name": name}
    made = (await session.send("POST", "/v1/projects", body)).data
    printer.done(f"created project {name} ({made['id']})", PROJECT, made)


@project.command()
@click.argument("project_name", metavar="PROJECT", shell_complete=PROJECTS)
@click.option("--name", help="A new name.")
@_with_fields
@server_command
@printed
async def edit(session: ServerSession, printer: Printer, project_name: str, **fields: Any) -> None:
    """Change a project. A quota that you give replaces the one before: give all of it."""
    body = _body(**fields)
    require_change(body)
    found = await read_project(session, project_name)
    await change_and_print(session, printer, PROJECT, found, _replacing(found.data, body))


def _replacing(before: Item, body: dict[str, object]) -> dict[str, object]:
    """Return a merge patch (RFC 7396) that replaces whole quotas."""
    for field in ("quota", "namespace_quota"):
        wanted = body.get(field)
        if isinstance(wanted, dict):
            body[field] = {**dict.fromkeys(before[field]), **wanted}
    return body


@project.command()
@click.argument("name", metavar="PROJECT", shell_complete=PROJECTS)
@yes_option
@server_command
async def delete(session: ServerSession, name: str, yes: bool) -> None:
    """Delete a project without namespaces, with its members' roles."""
    found = await read_project(session, name)
    loss = f"This deletes project {found.data['name']} and its members' roles in it."
    confirmed(loss, yes=yes)
    await delete_and_print(session, PROJECT, found)
