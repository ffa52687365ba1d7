"""``sekisho cluster remove``: imported clusters, and ordered ones with or without machines."""

import click

from proxy.cli.client.name_completion import CLUSTERS
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import Answer, ServerSession, path_of
from proxy.cli.common import plain, warn
from proxy.cli.prompts import confirmed
from proxy.cli.verbs.options import yes_option
from proxy.cli.verbs.order_steps import order_of

_LOSSES = {
    None: "This removes cluster {what} from Sekisho, with its projects and its members' roles.",
    "delete": "This deletes cluster {what} with its machines and all data on them, and removes it "
    "from Sekisho.",
    "keep": "This removes cluster {what} from Sekisho, with its projects and its members' roles. "
    "Its machines continue, and cost what they cost.",
}


@click.command()
@click.argument("name", metavar="CLUSTER", shell_complete=CLUSTERS)
@click.option(
    "--infrastructure",
    type=click.Choice(["delete", "keep"]),
    help="For an ordered cluster: delete its machines, or keep them and forget the order.",
)
@click.option(
    "--keep-cluster-objects", is_flag=True, help="Leave Sekisho's objects in the cluster."
)
@yes_option
@server_command
async def remove(
    session: ServerSession,
    name: str,
    infrastructure: str | None,
    keep_cluster_objects: bool,
    yes: bool,
) -> None:
    """Remove a cluster from Sekisho, with Sekisho's objects in it. Users lose access.

    An ordered cluster has machines: --infrastructure says what happens to them.
    """
    path = path_of("clusters", name)
    before = await session.read(path)
    order = order_of(before.data)
    if order is not None and order.get("adopted") and infrastructure is None:
        infrastructure = "keep"  # Sekisho never deletes it
    if order is not None and infrastructure is None:
        raise click.UsageError(
            f"cluster {name} was ordered: add --infrastructure delete to delete its machines, or "
            "--infrastructure keep to keep them and forget the order"
        )
    if infrastructure is not None and order is None:
        raise click.UsageError(
            f"cluster {name} was imported: Sekisho cannot delete its machines; leave out "
            "--infrastructure"
        )
    what = f"{before.data['name']} ({before.data['id']})"
    confirmed(plain(_LOSSES[infrastructure].format(what=what)), yes=yes)
    keep = True if keep_cluster_objects else None
    done = await session.send(
        *("DELETE", path),
        if_match=before.etag,
        keep_cluster_objects=keep,
        infrastructure=infrastructure,
    )
    click.echo(plain(_done(done, what, infrastructure)))
    for one in (done.data or {}).get("left") or ():
        warn(plain(one))


def _done(done: Answer, what: str, infrastructure: str | None) -> str:
    if done.status != 202:
        return f"removed cluster {what}"
    if infrastructure == "delete":
        return (
            f"cluster {what} is being deleted; it is listed until the engine has deleted its "
            "machines: see `sekisho cluster list --watch`"
        )
    if infrastructure == "keep":
        return f"cluster {what} is being removed; its machines stay"
    why = done.data.get("removal_pending") or "the cluster does not respond"
    return (
        f"cluster {what} is being removed: {why}, and Sekisho repeats the removal of its objects "
        "until it succeeds. If it never does, add --keep-cluster-objects"
    )
