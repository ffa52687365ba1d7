"""Requests that change what an order wants, for the commands that have one."""

from datetime import timedelta

import click

from proxy.cli.client.server_session import Answer, Item, ServerSession, path_of
from proxy.cli.common import CommandFailed, plain
from proxy.cli.output.printer import Printer
from proxy.cli.verbs.cluster_columns import CLUSTER
from proxy.cli.verbs.order_steps import order_of


def check_timeout(wait: bool, timeout: timedelta | None) -> None:
    """Raise UsageError for ``--timeout`` without ``--wait``."""
    if timeout is not None and not wait:
        raise click.UsageError("--timeout goes with --wait")


def order_in(cluster: Item) -> Item:
    """Return what a cluster says about its order. Raises CommandFailed if it was not ordered."""
    found = order_of(cluster)
    if found is None:
        raise CommandFailed(
            f"cluster {cluster['name']} was imported, not ordered: change it with the tools that "
            "made it"
        )
    return found


async def change_order(
    session: ServerSession, before: Answer, change: Item, *, dry_run: bool = False
) -> Item:
    """Send a merge patch of an order, and return the cluster. Raises CommandFailed."""
    path = path_of("clusters", str(before.data["id"]))
    answer = await session.send(
        "PATCH",
        path,
        {"provision": change},
        if_match=before.etag,
        dry_run=dry_run or None,
    )
    return answer.data


def print_order(printer: Printer, done: str, cluster: Item) -> None:
    """Print what was done with an order, or its cluster in the formats for programs."""
    printer.done(plain(f"cluster {cluster['name']} ({cluster['id']}) {done}"), CLUSTER, cluster)
