"""``sekisho cluster provision``, ``wait``, ``adopt``, ``reattach``, ``scale``, ``upgrade``."""

from datetime import timedelta
from typing import Any

import click

from proxy.cli.client.name_completion import CLUSTERS
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import Item, ServerSession, path_of
from proxy.cli.common import CommandFailed, plain
from proxy.cli.durations import DURATION
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer
from proxy.cli.verbs.cluster_columns import CLUSTER
from proxy.cli.verbs.order_changes import change_order, check_timeout, order_in, print_order
from proxy.cli.verbs.order_options import order_options, provision_body, wait_options
from proxy.cli.verbs.order_wait import wait_until

_cluster = click.argument("name", metavar="CLUSTER", shell_complete=CLUSTERS)


@click.command()
@click.argument("name")
@order_options
@wait_options
@click.option("--dry-run", is_flag=True, help="Have the engine check the order, and make nothing.")
@server_command
@printed
async def provision(
    session: ServerSession,
    printer: Printer,
    name: str,
    wait: bool,
    timeout: timedelta | None,
    dry_run: bool,
    **options: Any,
) -> None:
    """Order a cluster as NAME. You become its owner.

    \b
    sekisho cluster provision shop --class docker --version v1.36.3 --workers 3 --wait
    sekisho cluster provision shop --class gke --version v1.36.3 --pool blue=3:large \\
        --set region=europe-west3 --dry-run

    `sekisho cluster classes` lists the classes, and what each can be given.
    """  # noqa: D301 (a mark of click)
    check_timeout(wait, timeout)
    if wait and dry_run:
        raise click.UsageError("--wait waits for a cluster, and --dry-run makes none")
    body = {"name": name, "provision": await provision_body(session, **options)}
    made = await _order(session, body, dry_run=dry_run)
    if dry_run:
        printer.done(plain(f"cluster {name} would be ordered (dry run)"), CLUSTER, made)
        return
    if wait:
        made = await wait_until(session, made, timeout)
    print_order(printer, "is ready" if wait else "is ordered", made)


@click.command()
@click.argument("name")
@click.option(
    "--management", required=True, metavar="CLUSTER", help="The management cluster that has it."
)
@click.option("--cluster", "engine_name", metavar="NAME", help="Its name there. Default: NAME.")
@wait_options
@server_command
@printed
async def adopt(
    session: ServerSession,
    printer: Printer,
    name: str,
    management: str,
    engine_name: str | None,
    wait: bool,
    timeout: timedelta | None,
) -> None:
    """Import a cluster, as NAME, that others made in a management cluster (GitOps, kubectl).

    Sekisho shows it and lets users enter it. It never changes or deletes it.
    """
    check_timeout(wait, timeout)
    body = {"name": name, "adopt": {"management": management, "cluster": engine_name or name}}
    made = await _order(session, body)
    if wait:
        made = await wait_until(session, made, timeout)
    print_order(printer, "is ready" if wait else "is being imported", made)


@click.command()
@_cluster
@click.argument("pool")
@click.argument("count", metavar="N", type=click.IntRange(min=0))
@wait_options
@server_command
@printed
async def scale(
    session: ServerSession,
    printer: Printer,
    name: str,
    pool: str,
    count: int,
    wait: bool,
    timeout: timedelta | None,
) -> None:
    """Set the number of machines in a pool of an ordered cluster.

    The pool of `cluster provision --workers` is called workers; `cluster show` names the pools.
    """
    check_timeout(wait, timeout)
    before = await session.read(path_of("clusters", name))
    known = order_in(before.data)["wanted"]["pools"]
    pools = [{key: one[key] for key in ("name", "class", "replicas")} for one in known]
    chosen = next((one for one in pools if one["name"] == pool), None)
    if chosen is None:
        names = ", ".join(str(one["name"]) for one in pools) or "none"
        raise CommandFailed(f'cluster {name} has no pool "{pool}": its pools are {names}')
    chosen["replicas"] = count
    changed = await change_order(session, before, {"pools": pools})
    if wait:
        changed = await wait_until(session, changed, timeout)
    print_order(printer, f"pool {pool} {'has' if wait else 'is to have'} {count}", changed)


@click.command()
@_cluster
@click.argument("version")
@wait_options
@server_command
@printed
async def upgrade(
    session: ServerSession,
    printer: Printer,
    name: str,
    version: str,
    wait: bool,
    timeout: timedelta | None,
) -> None:
    """Upgrade an ordered cluster to another version of Kubernetes, such as v1.37.0.

    The engine decides which versions follow the present one.
    """
    check_timeout(wait, timeout)
    before = await session.read(path_of("clusters", name))
    order_in(before.data)
    changed = await change_order(session, before, {"version": version})
    if wait:
        changed = await wait_until(session, changed, timeout)
    print_order(printer, f"{'has' if wait else 'is to have'} {version}", changed)


@click.command()
@_cluster
@click.option(
    "--management",
    metavar="CLUSTER",
    shell_complete=CLUSTERS,
    help="The management cluster that has it now. Default: the one before.",
)
@wait_options
@click.option("--dry-run", is_flag=True, help="Only check whether it can be attached.")
@server_command
@printed
async def reattach(
    session: ServerSession,
    printer: Printer,
    name: str,
    management: str | None,
    wait: bool,
    timeout: timedelta | None,
    dry_run: bool,
) -> None:
    """Attach an order to its Cluster again, after that was moved or restored.

    `clusterctl move` takes a Cluster to another management cluster, and a restored backup has it
    with another uid: the order is then foreign. Members, projects, and kubeconfigs stay.
    """
    check_timeout(wait, timeout)
    if wait and dry_run:
        raise click.UsageError("--wait waits for a cluster, and --dry-run attaches nothing")
    before = await session.read(path_of("clusters", name))
    place = {"management": management or str(order_in(before.data)["management"])}
    changed = await change_order(session, before, place, dry_run=dry_run)
    if wait:
        changed = await wait_until(session, changed, timeout)
    print_order(printer, "would be attached (dry run)" if dry_run else "is attached", changed)


@click.command("wait")
@_cluster
@click.option(
    "--timeout",
    type=DURATION,
    metavar="DURATION",
    help="How long, such as 30m. Default: until Ctrl-C.",
)
@server_command
@printed
async def wait_for(
    session: ServerSession, printer: Printer, name: str, timeout: timedelta | None
) -> None:
    """Wait until an ordered cluster is ready, and show each step.

    It continues a --wait that was ended. Exits with 1 if the order was refused or is gone.
    """
    before = await session.get(path_of("clusters", name))
    order_in(before)
    print_order(printer, "is ready", await wait_until(session, before, timeout))


COMMANDS = (wait_for, provision, adopt, reattach, scale, upgrade)


async def _order(session: ServerSession, body: Item, *, dry_run: bool = False) -> Item:
    made = await session.send("POST", "/v1/clusters", body, dry_run=dry_run or None)
    return made.data
