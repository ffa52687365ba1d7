"""``sekisho namespace``: namespaces of projects."""

from typing import Any

import click

from proxy.cli.client.name_completion import NAMESPACES, PROJECTS
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import Item, ServerSession, path_of
from proxy.cli.command_group import CommandGroup
from proxy.cli.common import CommandFailed, warn
from proxy.cli.output.columns import Column, Kind
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer
from proxy.cli.prompts import confirmed
from proxy.cli.verbs.listing import Filter, Listing, list_command
from proxy.cli.verbs.lookup import find_project
from proxy.cli.verbs.options import pairs, yes_option

NAMESPACE = Kind(
    "namespace",
    (
        Column("NAME", "name"),
        Column("CLUSTER", lambda item: item.get("cluster_name") or item.get("cluster")),
        Column("PROJECT", lambda item: item.get("project_name") or item.get("project")),
        Column("QUOTA", "hard"),
        Column("REQUEST", "quota", wide=True),
        Column("PENDING", "pending", wide=True),
        Column("UID", "uid", wide=True),
    ),
    key="uid",
)

LIST = Listing(
    NAMESPACE,
    "/v1/namespaces",
    sorts=("name", "cluster_name", "project_name", "uid"),
    filters=(
        Filter("name", "List only namespaces with this name."),
        Filter("cluster", "List only namespaces in the cluster of this name.", "cluster_name"),
        Filter("project", "List only namespaces in projects of this name.", "project_name"),
    ),
    empty="There is no namespace in a project that you may see.",
)


@click.group(cls=CommandGroup)
def namespace() -> None:
    """Work with the namespaces of projects."""


namespace.add_command(list_command(LIST, "List the namespaces of the projects that you may see."))

_project = click.option(
    "--project",
    "project_name",
    required=True,
    help="The project: shop, prod/shop, or its id.",
    shell_complete=PROJECTS,
)


@namespace.command()
@click.argument("name")
@_project
@click.option("--label", "labels", multiple=True, metavar="K=V", help="A label. Repeatable.")
@click.option("--annotation", "annotations", multiple=True, metavar="K=V", help="An annotation.")
@click.option("--quota", multiple=True, metavar="R=N", help="Its share of the project's quota.")
@server_command
@printed
async def create(
    session: ServerSession,
    printer: Printer,
    name: str,
    project_name: str,
    labels: tuple[str, ...],
    annotations: tuple[str, ...],
    quota: tuple[str, ...],
) -> None:
    """Create a namespace in a project."""
    found = await find_project(session, project_name)
    body = {
        "name": name,
        "labels": pairs(labels, "--label"),
        "annotations": pairs(annotations, "--annotation"),
        "quota": pairs(quota, "--quota"),
    }
    made = await _put(session, found, body)
    printer.done(f"created namespace {name} in project {found['name']}", NAMESPACE, made)


@namespace.command()
@click.argument("name", metavar="NAMESPACE", shell_complete=NAMESPACES)
@_project
@server_command
@printed
async def move(session: ServerSession, printer: Printer, name: str, project_name: str) -> None:
    """Move a namespace of the cluster into a project."""
    found = await find_project(session, project_name)
    made = await _put(session, found, {"name": name, "existing": True})
    printer.done(f"moved namespace {name} into project {found['name']}", NAMESPACE, made)


@namespace.command()
@click.argument("name", metavar="NAMESPACE", shell_complete=NAMESPACES)
@click.option("--quota", multiple=True, metavar="R=N", help="Its share; give all of it.")
@click.option("--project", "project_name", help="Its project, if several have such a namespace.")
@server_command
@printed
async def edit(
    session: ServerSession,
    printer: Printer,
    name: str,
    quota: tuple[str, ...],
    project_name: str | None,
) -> None:
    """Change a namespace's share of its project's quota."""
    if not quota:
        raise click.UsageError("nothing to change; give --quota, for example --quota pods=10")
    found = await _find(session, name, project_name)
    body = {"quota": {**dict.fromkeys(found["quota"]), **pairs(quota, "--quota")}}
    path = path_of("projects", found["project"], "namespaces", name)
    changed = (await session.send("PATCH", path, body)).data
    _warn_pending(changed)
    printer.done(f"changed namespace {name}", NAMESPACE, changed)


@namespace.command()
@click.argument("name", metavar="NAMESPACE", shell_complete=NAMESPACES)
@click.option("--project", "project_name", help="Its project, if several have such a namespace.")
@click.option("--delete", is_flag=True, help="Delete the namespace and everything in it.")
@yes_option
@server_command
async def remove(
    session: ServerSession, name: str, project_name: str | None, delete: bool, yes: bool
) -> None:
    """Take a namespace out of its project, or delete it (--delete)."""
    found = await _find(session, name, project_name)
    where = f"{found.get('cluster_name') or found['cluster']}/{name}"
    loss = f"This takes namespace {where} out of its project; its members lose access to it."
    if delete:
        loss = f"This deletes namespace {where} in the cluster, with everything in it."
    confirmed(loss, yes=yes)
    path = path_of("projects", found["project"], "namespaces", name)
    await session.send("DELETE", path, delete=True if delete else None)
    click.echo(f"{'deleted' if delete else 'removed'} namespace {name}")


async def _put(session: ServerSession, project: Item, body: dict[str, Any]) -> Item:
    path = path_of("projects", str(project["id"]), "namespaces")
    made = (await session.send("POST", path, body)).data
    _warn_pending(made)
    return made


def _warn_pending(one: Item) -> None:
    if one.get("pending"):
        warn(str(one["pending"]))


async def _find(session: ServerSession, name: str, project_name: str | None) -> Item:
    """Return the namespace of that name, in the project if one is given. Raises CommandFailed."""
    inside = await find_project(session, project_name) if project_name is not None else None
    found = [
        one
        async for one in session.list("/v1/namespaces", name=name)
        if inside is None or one["project"] == inside["id"]
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise CommandFailed(f'namespace "{name}" is in no project that you may see')
    places = ", ".join(f"{one['cluster_name']}/{one['project_name']}" for one in found)
    raise CommandFailed(
        f'several namespaces are called "{name}": add --project with one of {places}'
    )
