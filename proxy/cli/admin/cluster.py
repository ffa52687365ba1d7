"""``sekisho admin cluster``: add, list and remove clusters."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli.admin.cluster_members import grant, revoke
from proxy.cli.admin.cluster_output import cluster_json, import_json, print_import, until
from proxy.cli.admin.database import offline_store
from proxy.cli.command_group import CommandGroup
from proxy.cli.common import (
    config_option,
    one_line_errors,
    output_option,
    plain,
    print_json,
    print_table,
    run_async,
    warn,
)
from store.records import ImpersonatorMode, UsernameMapping

if TYPE_CHECKING:
    from config.settings import Settings
    from management.clusters.kubeconfig_import import KubeconfigAccess
    from management.kubernetes.endpoint import ClusterEndpoint

FILE = click.Path(path_type=Path)

_server = click.option(
    "--server",
    "servers",
    multiple=True,
    metavar="URL",
    help="URL of an API server as Sekisho reaches it. Repeat it for each API server.",
)
_tls_server_name = click.option(
    "--tls-server-name", metavar="NAME", help="The name in the API servers' certificates."
)
_username_mapping = click.option(
    "--username-mapping",
    type=click.Choice(["id", "principal", "username"]),
    help="The name by which the cluster knows users. Default: id.",
)


@click.group(cls=CommandGroup)
def cluster() -> None:
    """Add clusters, and give users access to them."""


cluster.add_command(grant)
cluster.add_command(revoke)


@cluster.command("import")
@click.argument("name")
@click.option("--kubeconfig", type=FILE, metavar="FILE", help="An administrator's kubeconfig.")
@click.option("--context", metavar="NAME", help="The context to use. Default: the current context.")
@click.option("--in-cluster", is_flag=True, help="Import the cluster in which this pod runs.")
@_server
@_tls_server_name
@_username_mapping
@click.option(
    "--impersonator",
    type=click.Choice(["shared", "per_user"]),
    help="Impersonate with one account for all users (the default), or with one for each.",
)
@click.option(
    "--replace",
    "moved",
    is_flag=True,
    help="Replace the address and CA of the cluster NAME, and keep everything else.",
)
@click.option("--dry-run", is_flag=True, help="Print the changes without making them.")
@click.option("--long-lived-secret", is_flag=True, help="Use tokens that don't expire, in Secrets.")
@output_option
@config_option
@one_line_errors
@run_async
async def import_cluster(
    name: str,
    kubeconfig: Path | None,
    context: str | None,
    in_cluster: bool,
    servers: tuple[str, ...],
    tls_server_name: str | None,
    username_mapping: UsernameMapping | None,
    impersonator: ImpersonatorMode | None,
    moved: bool,
    dry_run: bool,
    long_lived_secret: bool,
    output: str,
    config_file: str | None,
) -> None:
    """Create Sekisho's service accounts in a cluster, and store it as NAME.

    You can repeat the import: it repairs changed objects and gets new tokens. If it fails, it rolls
    back its changes.
    """
    from management.clusters.service import ClusterService

    access = _access(kubeconfig, context, in_cluster)
    endpoint = _with_options(access, servers, tls_server_name)
    async with offline_store(config_file, create=True) as (settings, store):
        endpoint = await _with_consent(endpoint, settings)
        result = await ClusterService(store).import_cluster(
            name,
            endpoint,
            access.credential,
            dry_run=dry_run,
            long_lived=long_lived_secret,
            username_mapping=username_mapping,
            impersonator=impersonator,
            moved=moved,
        )
    if output == "json":
        print_json(import_json(result))
    else:
        print_import(name, result)


@cluster.command("add")
@click.argument("name")
@_server
@click.option("--ca-file", type=FILE, required=True, metavar="FILE", help="The cluster's CA (PEM).")
@click.option(
    "--token-file",
    type=FILE,
    required=True,
    metavar="FILE",
    help="A token that may impersonate, and should have no other permission.",
)
@click.option(
    "--controller-token-file",
    type=FILE,
    metavar="FILE",
    help="A token that may bind users to roles. Without it, bind them yourself.",
)
@_tls_server_name
@_username_mapping
@output_option
@config_option
@one_line_errors
@run_async
async def add(
    name: str,
    servers: tuple[str, ...],
    ca_file: Path,
    token_file: Path,
    controller_token_file: Path | None,
    tls_server_name: str | None,
    username_mapping: UsernameMapping | None,
    output: str,
    config_file: str | None,
) -> None:
    """Store a cluster as NAME. You have created its service accounts yourself."""
    from management.clusters.kubeconfig_import import read_text, read_token
    from management.clusters.service import ClusterService
    from management.kubernetes.endpoint import ClusterEndpoint, checked_servers

    if not servers:
        raise click.UsageError("give at least one --server URL")
    endpoint = ClusterEndpoint(
        checked_servers(servers), read_text(ca_file, "the CA"), tls_server_name
    )
    token = read_token(token_file)
    controller = read_token(controller_token_file) if controller_token_file else None
    async with offline_store(config_file, create=True) as (settings, store):
        endpoint = await _with_consent(endpoint, settings)
        added = await ClusterService(store).add(
            name, endpoint, token, controller_token=controller, username_mapping=username_mapping
        )
    for warning in added.warnings:
        warn(warning)
    if output == "json":
        print_json({"cluster": cluster_json(added.cluster), "version": added.version})
    else:
        click.echo(f'cluster "{name}" ({added.cluster.id}) added, Kubernetes {added.version}')


@cluster.command("list")
@output_option
@config_option
@one_line_errors
@run_async
async def list_clusters(output: str, config_file: str | None) -> None:
    """List the clusters."""
    async with offline_store(config_file) as (_, store):
        clusters = await store.clusters.list_all()
    if output == "json":
        print_json([cluster_json(one) for one in clusters])
        return
    rows = [(one.id, one.name, ",".join(one.servers), until(one)) for one in clusters]
    print_table(("ID", "NAME", "SERVERS", "TOKENS UNTIL"), rows)


@cluster.command("remove")
@click.argument("name", metavar="CLUSTER")
@click.option(
    "--keep-cluster-objects", is_flag=True, help="Leave Sekisho's objects in the cluster."
)
@output_option
@config_option
@one_line_errors
@run_async
async def remove(
    name: str, keep_cluster_objects: bool, output: str, config_file: str | None
) -> None:
    """Remove Sekisho's objects from a cluster, then the cluster and its grants."""
    from management.clusters.service import ClusterService

    async with offline_store(config_file) as (_, store):
        removed = await ClusterService(store).remove(
            name, keep_cluster_objects=keep_cluster_objects
        )
    if output == "json":
        objects = removed.objects
        found = {
            "deleted": list(removed.deleted),
            "others": list(objects.others),
            "left": list(objects.left),
        }
        print_json({"cluster": cluster_json(removed.cluster), **found})
        return
    for title in removed.deleted:
        click.echo(f"{'delete':<11}{title}")
    for one in removed.objects.left:
        warn(plain(one))
    click.echo(f'cluster "{removed.cluster.name}" ({removed.cluster.id}) removed')


def _access(kubeconfig: Path | None, context: str | None, in_cluster: bool) -> "KubeconfigAccess":
    from management.clusters.kubeconfig_import import from_kubeconfig, from_service_account

    if in_cluster == (kubeconfig is not None):
        raise click.UsageError("give either --kubeconfig FILE or --in-cluster")
    if kubeconfig is None:
        if context is not None:
            raise click.UsageError("--context goes with --kubeconfig")
        return from_service_account()
    return from_kubeconfig(kubeconfig, context)


def _with_options(
    access: "KubeconfigAccess", servers: tuple[str, ...], tls_server_name: str | None
) -> "ClusterEndpoint":
    """Return the endpoint of the kubeconfig, with the options of the command line."""
    from dataclasses import replace

    from management.kubernetes.endpoint import checked_servers

    endpoint = access.endpoint
    if servers:
        endpoint = replace(endpoint, servers=checked_servers(servers))
    if tls_server_name:
        endpoint = replace(endpoint, tls_server_name=tls_server_name)
    return endpoint


async def _with_consent(endpoint: "ClusterEndpoint", settings: "Settings") -> "ClusterEndpoint":
    """Return the endpoint with its present addresses trusted: the operator runs this command."""
    from management.clusters.address_consent import with_consent

    consented, sentences = await with_consent(endpoint, settings.cluster_addresses)
    for sentence in sentences:
        warn(sentence)
    return consented
