"""``sekisho cluster events``, ``usage``, ``deprecations``: what Sekisho reads in a cluster."""

import click

from proxy.cli.client.name_completion import CLUSTERS, NAMESPACES
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import ServerSession, path_of, with_query
from proxy.cli.common import warn
from proxy.cli.output.columns import Column, Item, Kind, age_of
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer
from proxy.cli.verbs.listing import Filter, Listing, list_command

_CLUSTER = click.Argument(["name"], metavar="CLUSTER", shell_complete=CLUSTERS)


def _object(item: Item) -> str:
    place = f"{item['namespace']}/" if item.get("namespace") else ""
    return f"{place}{str(item.get('kind') or '').lower()}/{item.get('name') or ''}"


EVENT = Kind(
    "event",
    (
        Column("LAST", age_of("last_at")),
        Column("TYPE", "type"),
        Column("REASON", "reason"),
        Column("OBJECT", _object),
        Column("COUNT", "count"),
        Column("MESSAGE", "message"),
        Column("ID", "id", wide=True),
    ),
    name="id",
)


async def _events_path(
    session: ServerSession, name: str, namespace: str | None, normal: bool
) -> str:
    query = {"namespace": namespace, "type": None if normal else "Warning"}
    return with_query(path_of("clusters", name, "events"), query)


EVENTS = Listing(
    EVENT,
    _events_path,
    sorts=("last_at", "reason", "namespace"),
    filters=(
        Filter("reason", "List only events with this reason."),
        Filter("kind", "List only events about objects of this kind, such as Pod."),
    ),
    empty="No event is known: Sekisho keeps the newest 200 warnings of a cluster.",
    options=(
        _CLUSTER,
        click.Option(
            ["-n", "--namespace"],
            metavar="NAMESPACE",
            shell_complete=NAMESPACES,
            help="List only events about objects in this namespace.",
        ),
        click.Option(
            ["--normal"],
            is_flag=True,
            help="List other events than warnings, too, if the server reads them.",
        ),
    ),
)

events = list_command(EVENTS, "List the newest events of a cluster, the newest first.", "events")


async def _deprecations_path(session: ServerSession, name: str) -> str:
    return path_of("clusters", name, "deprecations")


def _removed_next(item: Item) -> str:
    return "yes" if item.get("removed_next") else "no"


DEPRECATED_API = Kind(
    "api",
    (
        Column("API", "id"),
        Column("REMOVED IN", lambda item: item.get("removed_release") or "not decided"),
        Column("BY NEXT MINOR", _removed_next),
        Column("SEEN", age_of("seen_at")),
    ),
    name="id",
)

DEPRECATIONS = Listing(
    DEPRECATED_API,
    _deprecations_path,
    sorts=("id", "removed_release", "seen_at"),
    filters=(
        Filter(
            "removed-next",
            "List only what the next minor release removes, or only others.",
            "removed_next",
            ("true", "false"),
        ),
        Filter("group", "List only APIs of this group."),
    ),
    empty="No deprecated API is known to be in use.",
    options=(_CLUSTER,),
)

deprecations = list_command(
    DEPRECATIONS,
    "List deprecated APIs that are in use, and what the next minor release removes.",
    "deprecations",
)

_AMOUNTS = (Column("CPU", "cpu"), Column("MEMORY", "memory"))
NODE_USAGE = Kind("node", (Column("NODE", "name"), *_AMOUNTS))
NAMESPACE_USAGE = Kind(
    "namespace", (Column("NAMESPACE", "name"), *_AMOUNTS, Column("PODS", "pods"))
)
USAGE = Kind("usage", (), name="read_at")


@click.command()
@click.argument("name", metavar="CLUSTER", shell_complete=CLUSTERS)
@server_command
@printed
async def usage(session: ServerSession, printer: Printer, name: str) -> None:
    """Show what the nodes and namespaces of a cluster use, by its metrics-server."""
    found = await session.get(path_of("clusters", name, "usage"))
    if printer.format in {"json", "yaml"}:
        printer.one(USAGE, found)
    else:
        nodes, namespaces = found.get("nodes") or (), found.get("namespaces") or ()
        unknown = "Nothing is known of the usage yet: Sekisho reads it once a minute."
        nothing = "" if nodes or namespaces or found.get("problems") else unknown
        if nodes or nothing:
            await printer.rows(NODE_USAGE, nodes, empty=nothing)
        if nodes and namespaces and printer.format != "name":
            click.echo()
        if namespaces:
            await printer.rows(NAMESPACE_USAGE, namespaces)
    for one in found.get("problems") or ():
        warn(f"{one['reason']}: {one['message']}")
