"""``sekisho cluster variables`` and ``configure``: the variables of an ordered cluster.

Values are shown to users who may change the cluster, as in the API: they may be secret.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from proxy.cli.client.name_completion import CLUSTERS
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import Item, ServerSession, path_of
from proxy.cli.common import CommandFailed, warn
from proxy.cli.merge_patch import merge_patch
from proxy.cli.output.columns import Column, Kind
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer
from proxy.cli.verbs.class_variables import with_set, without
from proxy.cli.verbs.cluster_classes import type_of
from proxy.cli.verbs.options import read_object
from proxy.cli.verbs.order_changes import change_order, check_timeout, order_in, print_order
from proxy.cli.verbs.order_options import find_class, schemas_of, variable_options, wait_options
from proxy.cli.verbs.order_wait import wait_until

_cluster = click.argument("name", metavar="CLUSTER", shell_complete=CLUSTERS)

VARIABLE = Kind(
    "variable",
    (
        Column("VARIABLE", "name"),
        Column("VALUE", "value"),
        Column("SET BY", lambda item: "order" if item["ordered"] else "class"),
        Column("TYPE", type_of),
        Column("REQUIRED", "required", wide=True),
        Column("DEFAULT", lambda item: item["schema"].get("default"), wide=True),
        Column("MEANING", lambda item: item["schema"].get("description")),
    ),
)


@click.command()
@_cluster
@server_command
@printed
async def variables(session: ServerSession, printer: Printer, name: str) -> None:
    """Show the variables of an ordered cluster, with those that its class decides.

    You need cluster.edit in it.
    """
    cluster = await session.get(path_of("clusters", name))
    order = order_in(cluster)
    present = _values(cluster, order)
    try:
        known = (await _class_of(session, order))["variables"]
    except CommandFailed as exc:
        warn(f"only what was ordered is shown: {exc}")
        known = []
    await printer.rows(
        VARIABLE, list(_rows(present, known)), empty="The class of this cluster has no variables."
    )


@click.command()
@_cluster
@variable_options
@click.option(
    "--unset",
    "removed",
    multiple=True,
    metavar="KEY",
    help="Leave a variable, or KEY.FIELD, to the class. Repeatable.",
)
@wait_options
@click.option("--dry-run", is_flag=True, help="Have the engine check it, and change nothing.")
@server_command
@printed
async def configure(
    session: ServerSession,
    printer: Printer,
    name: str,
    texts: tuple[str, ...],
    values: Path | None,
    removed: tuple[str, ...],
    wait: bool,
    timeout: timedelta | None,
    dry_run: bool,
) -> None:
    """Change variables of an ordered cluster. What is not given stays.

    \b
    sekisho cluster configure shop --set machineType=e2-standard-8 --dry-run
    sekisho cluster configure shop --unset diskSize --wait

    A change can replace machines. `sekisho cluster variables` shows what is set.
    """  # noqa: D301 (a mark of click)
    check_timeout(wait, timeout)
    if wait and dry_run:
        raise click.UsageError("--wait waits for a change, and --dry-run makes none")
    if not texts and not removed and values is None:
        raise click.UsageError("nothing to change: give --set, --unset, or --values")
    before = await session.read(path_of("clusters", name))
    order = order_in(before.data)
    present = _values(before.data, order)
    given = read_object(values) if values is not None else {}
    wanted = without({**present, **given}, removed)
    if texts:
        wanted = with_set(wanted, texts, schemas_of(await _class_of(session, order)))
    change = merge_patch(present, wanted)
    if not change:
        print_order(printer, "has these variables already", before.data)
        return
    changed = await change_order(session, before, {"variables": change}, dry_run=dry_run)
    if wait:
        changed = await wait_until(session, changed, timeout)
    named = ", ".join(_described(change))
    if dry_run:
        print_order(printer, f"would have {named} (dry run)", changed)
        return
    print_order(printer, f"{'has' if wait else 'is to have'} {named}", changed)


COMMANDS = (variables, configure)


async def _class_of(session: ServerSession, order: Item) -> Item:
    """Return the class of an order. Raises CommandFailed."""
    return await find_class(session, str(order["class"]), str(order["management"]))


def _values(cluster: Item, order: Item) -> dict[str, Any]:
    """Return the variables of an order. Raises CommandFailed if the user may not read them."""
    found = (order.get("wanted") or {}).get("variables")
    if not isinstance(found, Mapping):
        raise CommandFailed(
            f"you may not read the variables of {cluster['name']}: this needs cluster.edit in it"
        )
    return dict(found)


def _rows(present: Mapping[str, Any], known: list[Item]) -> Iterator[Item]:
    """Yield each variable of the class with its value, and those that the class has no longer."""
    for one in known:
        schema = one.get("schema") or {}
        name = str(one["name"])
        value = present.get(name, schema.get("default"))
        yield {**one, "schema": schema, "value": value, "ordered": name in present}
    names = {str(one["name"]) for one in known}
    for name in sorted(set(present) - names):
        unknown: Item = {"name": name, "required": False, "schema": {}}
        yield {**unknown, "value": present[name], "ordered": True}


def _described(change: Mapping[str, Any], outer: str = "") -> Iterator[str]:
    """Yield each part of a merge patch in words. Values are left out: they may be secret."""
    for key, value in change.items():
        name = f"{outer}{key}"
        if isinstance(value, Mapping) and value:
            yield from _described(value, f"{name}.")
        else:
            yield f"{name} {'unset' if value is None else 'set'}"
