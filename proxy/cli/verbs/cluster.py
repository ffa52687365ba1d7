"""``sekisho cluster``: clusters at a server."""

from pathlib import Path
from typing import Any

import click

from proxy.cli.client.name_completion import CLUSTERS
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import ServerSession, path_of
from proxy.cli.command_group import CommandGroup
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer
from proxy.cli.verbs.changes import change_and_print
from proxy.cli.verbs.cluster_agent import agent, reach, rotate_agent_token
from proxy.cli.verbs.cluster_classes import classes, machines
from proxy.cli.verbs.cluster_columns import CLUSTER
from proxy.cli.verbs.cluster_management import management
from proxy.cli.verbs.cluster_order import COMMANDS as ORDER_COMMANDS
from proxy.cli.verbs.cluster_remove import remove
from proxy.cli.verbs.cluster_reports import deprecations, events, usage
from proxy.cli.verbs.cluster_variables import COMMANDS as VARIABLE_COMMANDS
from proxy.cli.verbs.listing import Filter, Listing, list_command
from proxy.cli.verbs.options import given, moved_command, pairs, require_change
from proxy.cli.verbs.registration import USERNAME_MAPPINGS, register
from proxy.cli.verbs.sent_kubeconfig import sent_kubeconfig

LIST = Listing(
    CLUSTER,
    "/v1/clusters",
    sorts=("name", "id", "created_at"),
    filters=(Filter("role", "List only clusters in which you have this role."),),
    empty="You may enter no cluster yet: ask a cluster's owner for access.",
)

clusters = list_command(LIST, "List the clusters that you may enter.", "clusters")


@click.group(cls=CommandGroup)
def cluster() -> None:
    """Work with clusters."""


cluster.add_command(list_command(LIST, "List the clusters that you may enter."))


@cluster.command()
@click.argument("name", metavar="CLUSTER", shell_complete=CLUSTERS)
@server_command
@printed
async def show(session: ServerSession, printer: Printer, name: str) -> None:
    """Show a cluster, by name or id."""
    printer.one(CLUSTER, await session.get(path_of("clusters", name)))


for _command in (events, usage, deprecations, register, agent, reach, rotate_agent_token):
    cluster.add_command(_command)
for _command in (*ORDER_COMMANDS, *VARIABLE_COMMANDS, classes, machines, management, remove):
    cluster.add_command(_command)
for _former in ("add", "grant", "revoke"):
    cluster.add_command(moved_command(_former, to=f"cluster {_former}"))

_FILE = click.Path(path_type=Path)
_kubeconfig = click.option(
    "--kubeconfig", type=_FILE, metavar="FILE", help="An administrator's kubeconfig. Not stored."
)
_context = click.option("--context", metavar="NAME", help="Its context. Default: the current one.")
_username_mapping = click.option(
    "--username-mapping",
    type=click.Choice(USERNAME_MAPPINGS),
    help="The name by which the cluster knows users.",
)


@cluster.command("import")
@click.argument("name")
@_kubeconfig
@_context
@_username_mapping
@server_command
@printed
async def import_cluster(
    session: ServerSession,
    printer: Printer,
    name: str,
    kubeconfig: Path | None,
    context: str | None,
    username_mapping: str | None,
) -> None:
    """Import a cluster as NAME, with an administrator's kubeconfig. You become its owner.

    The server must reach the API server of the kubeconfig. One context of it is sent.
    """
    if kubeconfig is None:
        raise click.UsageError(
            "give --kubeconfig FILE; without one, see `sekisho cluster register`"
        )
    body = {
        "name": name,
        "kubeconfig": sent_kubeconfig(kubeconfig, context),
        **given(username_mapping=username_mapping),
    }
    made = (await session.send("POST", "/v1/clusters", body)).data
    printer.done(f"imported cluster {made['name']} ({made['id']})", CLUSTER, made)


@cluster.command()
@click.argument("cluster_name", metavar="CLUSTER", shell_complete=CLUSTERS)
@click.option("--name", help="A new name.")
@_username_mapping
@click.option(
    "--impersonator",
    type=click.Choice(["shared", "per_user"]),
    help="Impersonate with one account for all users, or with one for each.",
)
@click.option(
    "--api-server", "servers", multiple=True, metavar="URL", help="A new address. Repeatable. With:"
)
@_kubeconfig
@_context
@click.option("--tls-server-name", help="The name in the API servers' certificates.")
@click.option("--label", "labels", multiple=True, metavar="K=V", help="Set a label. Repeatable.")
@click.option("--unlabel", "unlabelled", multiple=True, metavar="K", help="Remove a label.")
@server_command
@printed
async def edit(
    session: ServerSession,
    printer: Printer,
    cluster_name: str,
    kubeconfig: Path | None,
    context: str | None,
    servers: tuple[str, ...],
    labels: tuple[str, ...],
    unlabelled: tuple[str, ...],
    **fields: Any,
) -> None:
    """Change a cluster's name, its labels, its address, and how Sekisho enters it.

    A new address needs an administrator's kubeconfig: Sekisho doesn't send its tokens there.
    """
    body = given(**fields, servers=list(servers) or None)
    if labels or unlabelled:
        body["labels"] = {**pairs(labels, "--label"), **dict.fromkeys(unlabelled)}
    if kubeconfig is not None:
        body["kubeconfig"] = sent_kubeconfig(kubeconfig, context)
    require_change(body)
    before = await session.read(path_of("clusters", cluster_name))
    await change_and_print(session, printer, CLUSTER, before, body)
