"""``sekisho node``: nodes of clusters."""

import click

from proxy.cli.client.server_session import Item
from proxy.cli.command_group import CommandGroup
from proxy.cli.output.columns import Column, Kind, Value, age_of
from proxy.cli.verbs.listing import Filter, Listing, list_command


def _ready(item: Item) -> str:
    if item.get("left_at"):
        return "gone"
    ready = item.get("ready")
    return "" if ready is None else "ready" if ready else "not ready"


def _amount(field: str, resource: str) -> Value:
    def shown(item: Item) -> object:
        held = item.get(field)
        return held.get(resource) if isinstance(held, dict) else None

    return shown


NODE = Kind(
    "node",
    (
        Column("NAME", "name"),
        Column("CLUSTER", "cluster_name"),
        Column("STATE", _ready),
        Column("VERSION", "version"),
        Column("CPU", _amount("capacity", "cpu")),
        Column("MEMORY", _amount("capacity", "memory")),
        Column("AGE", age_of("appeared_at")),
        Column("ROLES", "roles", wide=True),
        Column("UID", "uid", wide=True),
    ),
    key="uid",
)

LIST = Listing(
    NODE,
    "/v1/nodes",
    sorts=("name", "cluster_name", "appeared_at"),
    filters=(
        Filter("cluster", "List only nodes of the cluster of this name.", "cluster_name"),
        Filter("name", "List only nodes with this name."),
        Filter("ready", "List only ready nodes, or only others.", choices=("true", "false")),
        Filter("left", "List removed nodes as well.", choices=("true", "false")),
    ),
    empty="There is no node that you may see.",
)


@click.group(cls=CommandGroup)
def node() -> None:
    """Look at the nodes of clusters."""


node.add_command(list_command(LIST, "List the nodes of the clusters in which you may read them."))
