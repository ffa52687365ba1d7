"""``sekisho access``: what a person may do, and by which roles."""

from collections.abc import AsyncIterator

import click

from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import ServerSession, path_of
from proxy.cli.common import warn
from proxy.cli.output.columns import Column, Item, Kind
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer
from proxy.cli.verbs.lookup import find_user
from proxy.cli.verbs.who_can import notes, steps_text

HELD = Kind(
    "access",
    (
        Column("WHERE", "where"),
        Column("ROLE", "role"),
        Column("VIA", "via"),
        Column("IN THE CLUSTER", "cluster_roles"),
        Column("PERMISSIONS", "permissions", wide=True),
        Column("NAMESPACES", "namespaces", wide=True),
    ),
    name="where",
)


@click.command()
@click.argument("user", required=False)
@click.option("--cluster", metavar="CLUSTER", help="Also by the roles of this cluster.")
@server_command
@printed
async def access(
    session: ServerSession, printer: Printer, user: str | None, cluster: str | None
) -> None:
    """Show what you may do, or what another user may do.

    \b
    sekisho access
    sekisho access alice --cluster prod

    USER is an id or a user name. Another user's access needs users.read. Scopes of tokens are
    not considered.
    """  # noqa: D301 (a mark of click)
    path = "/v1/me/access"
    if user is not None:
        path = path_of("users", str((await find_user(session, user))["id"]), "access")
    answer = await session.get(path, cluster=cluster)
    if printer.format in {"json", "yaml"}:
        printer.one(HELD, answer)
        return
    name = answer["user"]["username"]
    await printer.rows(HELD, held_rows(answer), empty=f"{name} holds no role anywhere.")
    if not answer["user"]["enabled"]:
        warn(f"{name} is disabled: none of it counts now")
    if answer["hidden"]:
        warn(f"{name} holds roles in {answer['hidden']} more places that you may not see")
    for line in notes(answer.get("rbac") or {}):
        warn(line)


async def held_rows(answer: Item) -> AsyncIterator[Item]:
    """Yield a row for each role of a user's or a group's access."""
    for row in _place_rows("Sekisho", answer["overall"]):
        yield row
    for cluster in answer["clusters"]:
        for row in _place_rows(f"cluster {cluster['name']}", cluster):
            yield row
        for project in cluster["projects"]:
            where = f"project {project['name']} in {cluster['name']}"
            for row in _place_rows(where, project):
                yield row
    rbac = answer.get("rbac") or {}
    for held in rbac.get("roles") or ():
        place = f"namespace {held['namespace']}" if held["namespace"] else "whole cluster"
        yield {
            "where": f"{rbac['cluster_name']}: {place}",
            "role": held["steps"][-1]["name"],
            "via": steps_text(held["steps"][:-1], left_out={"person"}),
        }


def _place_rows(where: str, place: Item) -> list[Item]:
    """Return a row for each role that is held in a place."""
    shown = {key: place.get(key) for key in ("cluster_roles", "permissions", "namespaces")}
    return [
        {
            **shown,
            "where": where,
            "role": steps[-1]["name"],
            "via": "a role in Sekisho" if _is_global(steps, where) else _group(steps),
        }
        for steps in place["via"]
    ]


def _is_global(steps: list[Item], where: str) -> bool:
    return where != "Sekisho" and steps[-1]["place"] == "global"


def _group(steps: list[Item]) -> str:
    return steps_text([one for one in steps if one["kind"] == "group"]) or "by name"
