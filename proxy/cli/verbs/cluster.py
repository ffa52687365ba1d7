"""``sekisho cluster``: clusters at a server."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from proxy.cli.client.name_completion import CLUSTERS
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import ServerSession, path_of
from proxy.cli.output.columns import Column, Item, Kind, age_of, time_of
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer
from proxy.cli.prompts import confirmed
from proxy.cli.verbs.changes import change_and_print
from proxy.cli.verbs.cluster_agent import agent, reach, rotate_agent_token
from proxy.cli.verbs.listing import Filter, Listing, list_command
from proxy.cli.verbs.options import given, moved_command, require_change, yes_option
from proxy.cli.verbs.registration import USERNAME_MAPPINGS, register
from proxy.cli.verbs.sent_kubeconfig import sent_kubeconfig


def _status(item: Item) -> Item:
    found = item.get("status")
    return found if isinstance(found, Mapping) else {}


def _state(item: Item) -> str:
    """Return the cluster's state in a few words: the first condition that does not hold."""
    if item.get("removing_since"):
        return "being removed"
    if item.get("pending_until"):
        return "registration not complete"
    conditions = _status(item).get("conditions") or ()
    for one in conditions:
        if one.get("status") != "True":
            return f"{one.get('type')}: {one.get('reason') or 'no'}"
    return "healthy" if conditions else ""


def _nodes(item: Item) -> object:
    totals = _status(item).get("nodes")
    return f"{totals.get('ready')}/{totals.get('total')}" if isinstance(totals, Mapping) else ""


CLUSTER = Kind(
    "cluster",
    (
        Column("NAME", "name"),
        Column("ROLE", "role"),
        Column("STATE", _state),
        Column("VERSION", lambda item: _status(item).get("version")),
        Column("NODES", _nodes),
        Column("AGE", age_of("created_at")),
        Column("ID", "id"),
        Column("REACH", "reach", wide=True),
        Column("SERVERS", "servers", wide=True),
        Column("USERNAMES", "username_mapping", wide=True),
        Column("IMPERSONATOR", "impersonator", wide=True),
        Column("TOKENS UNTIL", time_of("tokens_expire_at"), wide=True),
        Column("URL", "url", wide=True),
    ),
)

LIST = Listing(
    CLUSTER,
    "/v1/clusters",
    sorts=("name", "id", "created_at"),
    filters=(Filter("role", "List only clusters in which you have this role."),),
    empty="You may enter no cluster yet: ask a cluster's owner for access.",
)

clusters = list_command(LIST, "List the clusters that you may enter.", "clusters")


@click.group()
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


for _command in (register, agent, reach, rotate_agent_token):
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
@server_command
@printed
async def edit(
    session: ServerSession,
    printer: Printer,
    cluster_name: str,
    kubeconfig: Path | None,
    context: str | None,
    servers: tuple[str, ...],
    **fields: Any,
) -> None:
    """Change a cluster's name, its address, and how Sekisho enters it.

    A new address needs an administrator's kubeconfig: Sekisho doesn't send its tokens there.
    """
    body = given(**fields, servers=list(servers) or None)
    if kubeconfig is not None:
        body["kubeconfig"] = sent_kubeconfig(kubeconfig, context)
    require_change(body)
    before = await session.read(path_of("clusters", cluster_name))
    await change_and_print(session, printer, CLUSTER, before, body)


@cluster.command()
@click.argument("name", metavar="CLUSTER", shell_complete=CLUSTERS)
@click.option(
    "--keep-cluster-objects", is_flag=True, help="Leave Sekisho's objects in the cluster."
)
@yes_option
@server_command
async def remove(session: ServerSession, name: str, keep_cluster_objects: bool, yes: bool) -> None:
    """Remove a cluster from Sekisho, with Sekisho's objects in it. Users lose access."""
    path = path_of("clusters", name)
    before = await session.read(path)
    what = f"{before.data['name']} ({before.data['id']})"
    confirmed(
        f"This removes cluster {what} from Sekisho, with its projects and its members' roles.",
        yes=yes,
    )
    keep = True if keep_cluster_objects else None
    done = await session.send("DELETE", path, if_match=before.etag, keep_cluster_objects=keep)
    if done.status == 202:
        click.echo(
            f"cluster {what} is being removed: it does not respond, and Sekisho removes its "
            "objects when it is back. If it never is, add --keep-cluster-objects"
        )
    else:
        click.echo(f"removed cluster {what}")
