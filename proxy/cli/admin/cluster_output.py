"""How commands print clusters: as text and as JSON."""

from typing import TYPE_CHECKING

import click

from store.records import Cluster

if TYPE_CHECKING:
    from management.clusters.service import ImportResult


def print_import(name: str, result: "ImportResult") -> None:
    """Print the changes of an import, and its result."""
    for change in result.changes:
        click.echo(f"{change.action:<11}{change.title}")
    if result.cluster is None:
        click.echo(f"dry run: nothing changed (Kubernetes {result.version})")
        return
    ends = until(result.cluster)
    click.echo(
        f'cluster "{name}" ({result.cluster.id}) imported, Kubernetes {result.version}, '
        + (f"tokens until {ends}" if ends else "with tokens that don't expire")
    )


def import_json(result: "ImportResult") -> dict[str, object]:
    """Return the result of an import as JSON."""
    return {
        "dry_run": result.cluster is None,
        "cluster": cluster_json(result.cluster) if result.cluster else None,
        "version": result.version,
        "objects": [{"action": one.action.value, "object": one.manifest} for one in result.changes],
    }


def cluster_json(cluster: Cluster) -> dict[str, object]:
    """Return a cluster as JSON, without its tokens."""
    return {
        "id": cluster.id,
        "name": cluster.name,
        "servers": list(cluster.servers),
        "tls_server_name": cluster.tls_server_name,
        "username_mapping": cluster.username_mapping,
        "impersonator": cluster.impersonator,
        "credential_source": cluster.credential_source.value,
        "tokens_expire_at": until(cluster) or None,
        "created_at": cluster.created_at.isoformat(),
    }


def until(cluster: Cluster) -> str:
    """Return when the cluster's tokens expire; empty if they don't."""
    ends = cluster.tokens_expire_at
    return ends.isoformat(timespec="seconds") if ends else ""
