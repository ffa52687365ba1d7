"""``sekisho cluster classes`` and ``machines``: what can be ordered, and what was made."""

from typing import Any

import click

from proxy.cli.client.name_completion import CLUSTERS, names_at
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import Item, ServerSession, path_of
from proxy.cli.output.columns import Column, Kind
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer
from proxy.cli.verbs.listing import Listing, list_command
from proxy.cli.verbs.order_options import CLASSES, find_class, list_classes


def _names(field: str) -> Any:
    return lambda item: [one["name"] for one in item[field]]


CLASS = Kind(
    "class",
    (
        Column("NAME", "name"),
        Column("MANAGEMENT", "management_name"),
        Column("ORDERABLE", "orderable"),
        Column("WORKER CLASSES", _names("workers")),
        Column("VERSIONS", "versions"),
        Column("VARIABLES", _names("variables"), wide=True),
        Column("PROBLEM", "problem"),
    ),
)


def type_of(item: Item) -> str:
    """Return the type of a variable, or its values, in a few words."""
    schema = item["schema"]
    if schema.get("enum"):
        return " | ".join(str(one) for one in schema["enum"])
    return str(schema.get("type") or "any")


VARIABLE = Kind(
    "variable",
    (
        Column("VARIABLE", "name"),
        Column("REQUIRED", "required"),
        Column("TYPE", type_of),
        Column("DEFAULT", lambda item: item["schema"].get("default")),
        Column("MEANING", lambda item: item["schema"].get("description")),
    ),
)


@click.command()
@click.argument("name", metavar="[CLASS]", required=False, shell_complete=names_at(CLASSES))
@click.option("--management", metavar="CLUSTER", help="Only classes of this management cluster.")
@server_command
@printed
async def classes(
    session: ServerSession, printer: Printer, name: str | None, management: str | None
) -> None:
    """List the classes from which you may order clusters, or show one and its variables."""
    if name is not None:
        found = await find_class(session, name, management)
        printer.one(CLASS, found)
        if printer.format in {"table", "wide"} and found["variables"]:
            click.echo()
            await printer.rows(VARIABLE, found["variables"])
        return
    items = [
        one
        for one in await list_classes(session)
        if management in {None, one["management"], one["management_name"]}
    ]
    await printer.rows(
        CLASS,
        items,
        empty="There is no class that you may order clusters from: ask an administrator.",
    )


_CLUSTER = click.Argument(["name"], metavar="CLUSTER", shell_complete=CLUSTERS)


async def _machines_path(session: ServerSession, name: str) -> str:
    return path_of("clusters", name, "machines")


def _machine_state(item: Item) -> str:
    if item["deleting"]:
        return "deleting"
    return "ready" if item["ready"] else str(item["phase"] or "not ready").lower()


MACHINE = Kind(
    "machine",
    (
        Column("NAME", "name"),
        Column("POOL", lambda item: item.get("pool") or "control plane"),
        Column("STATE", _machine_state),
        Column("VERSION", "version"),
        Column("NODE", "node"),
        Column("MESSAGE", "message"),
    ),
    key="name",
)

machines = list_command(
    Listing(
        MACHINE,
        _machines_path,
        empty="The engine has made no machines yet.",
        options=(_CLUSTER,),
        watchable=False,
        plain=True,
    ),
    "List the machines of an ordered cluster, as the engine reports them.",
    "machines",
)
