"""Held clusters on the command line: what Sekisho would change in them, and their release."""

from typing import TYPE_CHECKING

import click

from proxy.cli.admin.database import offline_store
from proxy.cli.common import print_table, warn

if TYPE_CHECKING:
    from management.clusters.restore_review import Difference
    from store.records import Cluster

_NONE_HELD = "no cluster is held"


async def review_clusters(config_file: str | None, name: str | None) -> None:
    """Print what Sekisho would change in held clusters. Exit with 1 if one can't be read.

    Clusters that only their agents reach are read through the tunnels of running servers.
    """
    from config.errors import UserError
    from management.clusters.restore_review import differences, held_clusters
    from proxy.files.data_dir import open_keyring
    from proxy.tunnels.through_replicas import through_replicas

    rows: list[tuple[str, ...]] = []
    failed = False
    async with (
        offline_store(config_file) as (settings, store),
        through_replicas(store, open_keyring(settings)),
    ):
        held = await held_clusters(store, name)
        for cluster in held:
            try:
                found = await differences(store, cluster)
            except UserError as exc:
                warn(f"cluster {cluster.name} can't be reviewed: {exc}{_hint(cluster)}")
                failed = True
                continue
            rows += [(cluster.name, *_row(one)) for one in found]
            if not found:
                rows.append((cluster.name, "nothing", "", "", "", ""))
    if not held:
        click.echo(_NONE_HELD)
        return
    print_table(["CLUSTER", "CHANGE", "OBJECT", "ROLE", "GIVES TO", "TAKES FROM"], rows)
    if failed:
        raise SystemExit(1)


async def accept_clusters(config_file: str | None, name: str | None) -> None:
    """Release held clusters."""
    from management.clusters.restore_review import accept, held_clusters

    async with offline_store(config_file) as (_, store):
        held = await held_clusters(store, name)
        for cluster in held:
            await accept(store, cluster)
            click.echo(f"cluster {cluster.name} is not held any longer")
    if not held:
        click.echo(_NONE_HELD)


def _hint(cluster: "Cluster") -> str:
    """Return what to do about a cluster that can't be read."""
    if cluster.reach == "direct":
        return ""
    return (
        ". Only its agent reaches it: start the server, wait until the agent is connected, and run "
        "this command beside that server, as its user"
    )


def _row(one: "Difference") -> tuple[str, ...]:
    return one.action, one.title, one.role, ", ".join(one.gives), ", ".join(one.takes)
