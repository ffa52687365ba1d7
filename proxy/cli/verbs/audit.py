"""``sekisho audit``: search the audit log at a server, and follow it."""

from typing import Any

import click

from proxy.cli.client.name_completion import CLUSTERS, PROJECTS, USERS
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import PAGE, ServerSession, with_query
from proxy.cli.common import CommandFailed, warn
from proxy.cli.output.columns import Column, Item, Kind, second_of
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer
from proxy.cli.verbs.listing import first
from proxy.cli.verbs.lookup import find_project

LIMIT = 100
"""How many events are listed if the user says nothing else."""


def _what(item: Item) -> str:
    """Return the object, or the path of a request for none."""
    resource = item.get("resource")
    if not resource:
        return str(item.get("path") or "").partition("?")[0]
    parts = (resource, item.get("name"), item.get("subresource"))
    return "/".join(str(one) for one in parts if one)


def _who(item: Item) -> str:
    """Return the user, with the user that they acted as."""
    user = str(item.get("username") or item.get("user") or "-")
    return f"{user} as {item['impersonated']}" if item.get("impersonated") else user


EVENT = Kind(
    "audit",
    (
        Column("TIME", second_of("time")),
        Column("USER", _who),
        Column("VERB", "verb"),
        Column("WHAT", _what),
        Column("CLUSTER", "cluster_name"),
        Column("NAMESPACE", "namespace"),
        Column("CODE", "code"),
        Column("REASON", "reason"),
        Column("ANSWERED BY", "answered_by", wide=True),
        Column("STAGE", "stage", wide=True),
        Column("SOURCE", "source", wide=True),
        Column("TOKEN", "token", wide=True),
        Column("REQUEST ID", "request_id", wide=True),
    ),
    name="request_id",
)

_FILTERS = (
    click.option(
        "--user", metavar="USER", shell_complete=USERS, help="Of this user: id, name or principal."
    ),
    click.option("--token", metavar="NAME", help="With this token: its name, which is no secret."),
    click.option("--as", "impersonated", metavar="USER", help="That act as this user."),
    click.option("--verb", metavar="VERB[,…]", help="get, list, create, delete, connect, post, …"),
    click.option("--resource", metavar="RESOURCE", help="pods, deployments.apps, pods/exec."),
    click.option("--name", metavar="NAME", help="Of the object with this name."),
    click.option("--path", metavar="PATH", help="Of a path; with * at the end: of all below it."),
    click.option(
        "--cluster", metavar="CLUSTER", shell_complete=CLUSTERS, help="In this cluster: name or id."
    ),
    click.option("--namespace", "-n", metavar="NAMESPACE", help="In this namespace."),
    click.option(
        "--project",
        metavar="PROJECT",
        shell_complete=PROJECTS,
        help="In a project's namespaces: shop, prod/shop, or its id.",
    ),
    click.option(
        "--outcome", metavar="OUTCOME", help="success, refused, limited, error; 403, 5xx."
    ),
    click.option(
        "--answered-by",
        type=click.Choice(("sekisho", "cluster")),
        help="That Sekisho itself responded to, or the cluster.",
    ),
    click.option("--sign-ins", is_flag=True, help="Sign-ins only, refused ones included."),
    click.option("--request-id", metavar="ID", help="Of a request; each error shows its id."),
    click.option("--since", metavar="TIME", help="Since 2h ago, or 2026-11-30T08:00:00Z."),
    click.option("--until", metavar="TIME", help="Until then."),
)


def _filtered(command: Any) -> Any:
    for option in reversed(_FILTERS):
        command = option(command)
    return command


@click.command()
@_filtered
@click.option("--limit", type=click.IntRange(min=1), help=f"At most so many. Default: {LIMIT}.")
@click.option("--follow", "-f", is_flag=True, help="Show new events until Ctrl-C, newest last.")
@server_command
@printed
async def audit(
    session: ServerSession,
    printer: Printer,
    limit: int | None,
    follow: bool,
    sign_ins: bool,
    **filters: str | None,
) -> None:
    """Search the audit log: who did what, where, and with which outcome.

    \b
    sekisho audit --cluster prod --verb delete --since 2h
    sekisho audit --user alice --outcome refused
    sekisho audit --follow -n shop

    The newest events come first. You see your own events, and those of the clusters and projects
    that you own; auditors see all.
    """  # noqa: D301 (a mark of click)
    if filters["token"] is not None:  # A secret behind the name must not be in a URL.
        filters["token"] = filters["token"].partition(":")[0]
    project = filters["project"]
    if project is not None and not project.startswith("p-"):  # The id of a former one is kept.
        filters["project"] = str((await find_project(session, project, filters["cluster"]))["id"])
    path = with_query("/v1/audit", {**filters, "sign_in": True if sign_ins else None})
    if follow:
        if limit is not None or filters["until"] is not None:
            raise CommandFailed("--follow has no end: leave --limit and --until out")
        await printer.stream(EVENT, session.follow(path))
        return
    most = limit or LIMIT
    found = session.list(path, limit=min(most + 1, PAGE))
    shown = first(found, most + 1)
    count = 0

    async def counted() -> Any:
        nonlocal count
        async for item in shown:
            count += 1
            if count <= most:
                yield item

    await printer.rows(EVENT, counted(), empty="No events that you may see match.")
    if limit is None and count > most:
        warn(f"there are more: see earlier ones with --until, or more with --limit {10 * most}")
