"""``sekisho cluster``: let Sekisho into clusters, and users into them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from proxy.cli.common import (
    config_option,
    offline_store,
    one_line_errors,
    output_option,
    print_json,
    print_table,
    run_async,
)
from store.interfaces import Cluster, Isolation, SubjectName

if TYPE_CHECKING:
    from management.clusters import Imported
    from management.import_kubeconfig import Access

FILE = click.Path(path_type=Path)

_server = click.option(
    "--server",
    "servers",
    multiple=True,
    metavar="URL",
    help="An API server as Sekisho reaches it; again for each further one.",
)
_tls_server_name = click.option(
    "--tls-server-name", metavar="NAME", help="The name in the API servers' certificates."
)
_user_name = click.option(
    "--user-name",
    type=click.Choice(["id", "principal", "username"]),
    help="By which name the cluster knows users. Default: id.",
)


@click.group()
def cluster() -> None:
    """Downstream clusters."""


@cluster.command("import")
@click.argument("name")
@click.option("--kubeconfig", type=FILE, metavar="FILE", help="An administrator's kubeconfig.")
@click.option("--context", metavar="NAME", help="Its context to use. Default: the current one.")
@click.option("--in-cluster", is_flag=True, help="The cluster that this runs in, as its own pod.")
@_server
@_tls_server_name
@_user_name
@click.option(
    "--isolation",
    type=click.Choice(["shared", "per_user"]),
    help="One account for all (the default), or one for each user.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option("--long-lived-secret", is_flag=True, help="Tokens that don't end, in Secrets.")
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
    user_name: SubjectName | None,
    isolation: Isolation | None,
    dry_run: bool,
    long_lived_secret: bool,
    output: str,
    config_file: str | None,
) -> None:
    """Make Sekisho's accounts in a cluster and store it as NAME.

    Safe to do again: mends what was changed, and takes new tokens. What fails is taken back.
    """
    from management.clusters import ClusterService

    access = _access(kubeconfig, context, in_cluster)
    endpoint = _overridden(access, servers, tls_server_name)
    async with offline_store(config_file) as (_, store):
        result = await ClusterService(store).import_cluster(
            name,
            endpoint,
            access.credential,
            dry_run=dry_run,
            long_lived=long_lived_secret,
            user_name=user_name,
            isolation=isolation,
        )
    if output == "json":
        print_json(_import_json(result))
    else:
        _print_import(name, result)


@cluster.command("add")
@click.argument("name")
@_server
@click.option("--ca-file", type=FILE, required=True, metavar="FILE", help="The cluster's CA, PEM.")
@click.option(
    "--token-file",
    type=FILE,
    required=True,
    metavar="FILE",
    help="A token that may impersonate, and had better do nothing else.",
)
@click.option(
    "--controller-token-file",
    type=FILE,
    metavar="FILE",
    help="A token that may bind users. Without it, bind them yourself.",
)
@_tls_server_name
@_user_name
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
    user_name: SubjectName | None,
    output: str,
    config_file: str | None,
) -> None:
    """Store a cluster as NAME whose accounts were made by hand."""
    from management.clusters import ClusterService
    from management.downstream.endpoint import Endpoint, checked_servers
    from management.import_kubeconfig import read_text, read_token

    if not servers:
        raise click.UsageError("give at least one --server URL")
    endpoint = Endpoint(checked_servers(servers), read_text(ca_file, "the CA"), tls_server_name)
    token = read_token(token_file)
    controller = read_token(controller_token_file) if controller_token_file else None
    async with offline_store(config_file) as (_, store):
        added = await ClusterService(store).add(
            name, endpoint, token, controller_token=controller, user_name=user_name
        )
    for warning in added.warnings:
        click.echo(f"sekisho: warning: {warning}", err=True)
    if output == "json":
        print_json({"cluster": _cluster_json(added.cluster), "version": added.version})
    else:
        click.echo(f'cluster "{name}" ({added.cluster.id}) added, Kubernetes {added.version}')


@cluster.command("grant")
@click.argument("name", metavar="CLUSTER")
@click.option("--user", required=True, metavar="NAME", help="Username, id or principal.")
@click.option("--role", required=True, help="owner, member, read-only, or one of your own.")
@output_option
@config_option
@one_line_errors
@run_async
async def grant(name: str, user: str, role: str, output: str, config_file: str | None) -> None:
    """Let a user into a cluster, and bind them in it at once.

    Owners are bound to cluster-admin, members to edit, the others to view. Takes the place of any
    role that the user had.
    """
    from management.members import MemberService, NoSuchRole

    async with offline_store(config_file) as (_, store):
        try:
            granted = await MemberService(store).grant(name, user, role)
        except NoSuchRole as exc:
            raise click.UsageError(str(exc)) from None
    who, where = granted.holder, granted.cluster
    if granted.pending is not None:
        click.echo(f'sekisho: warning: not so in "{where.name}" yet: {granted.pending}', err=True)
    if output == "json":
        members = {"cluster": where.id, "user": who.id, "username": who.name}
        print_json({**members, "role": granted.role.name, "bound": granted.bound})
    else:
        click.echo(f'"{who.name}" ({who.id}) may enter "{where.name}" as {granted.role.name}')


@cluster.command("revoke")
@click.argument("name", metavar="CLUSTER")
@click.option("--user", required=True, metavar="NAME", help="Username, id or principal.")
@output_option
@config_option
@one_line_errors
@run_async
async def revoke(name: str, user: str, output: str, config_file: str | None) -> None:
    """Shut a user out of a cluster, and unbind them in it."""
    from management.members import MemberService

    async with offline_store(config_file) as (_, store):
        revoked = await MemberService(store).revoke(name, user)
    who, where = revoked.holder, revoked.cluster
    if revoked.pending is not None:
        click.echo(f'sekisho: warning: not so in "{where.name}" yet: {revoked.pending}', err=True)
    if output == "json":
        print_json({"cluster": where.id, "user": who.id, "existed": revoked.existed})
    elif revoked.existed:
        click.echo(f'"{who.name}" ({who.id}) may no longer enter "{where.name}"')
    else:
        click.echo(f'"{who.name}" ({who.id}) had no grant for "{where.name}"')


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
        print_json([_cluster_json(one) for one in clusters])
        return
    rows = [(one.id, one.name, ",".join(one.servers), _until(one)) for one in clusters]
    print_table(("ID", "NAME", "SERVERS", "TOKENS UNTIL"), rows)


@cluster.command("remove")
@click.argument("name", metavar="CLUSTER")
@click.option("--keep-downstream", is_flag=True, help="Leave what was made in the cluster there.")
@output_option
@config_option
@one_line_errors
@run_async
async def remove(name: str, keep_downstream: bool, output: str, config_file: str | None) -> None:
    """Take Sekisho out of a cluster, then forget the cluster and its grants."""
    from management.clusters import ClusterService

    async with offline_store(config_file) as (_, store):
        removed = await ClusterService(store).remove(name, keep_downstream=keep_downstream)
    if output == "json":
        print_json({"cluster": _cluster_json(removed.cluster), "deleted": list(removed.deleted)})
        return
    for title in removed.deleted:
        click.echo(f"{'delete':<11}{title}")
    click.echo(f'cluster "{removed.cluster.name}" ({removed.cluster.id}) removed')


def _access(kubeconfig: Path | None, context: str | None, in_cluster: bool) -> "Access":
    from management.import_kubeconfig import from_inside, from_kubeconfig

    if in_cluster == (kubeconfig is not None):
        raise click.UsageError("give either --kubeconfig FILE or --in-cluster")
    if kubeconfig is None:
        if context is not None:
            raise click.UsageError("--context goes with --kubeconfig")
        return from_inside()
    return from_kubeconfig(kubeconfig, context)


def _overridden(access: "Access", servers: tuple[str, ...], tls_server_name: str | None) -> Any:
    """The access's endpoint, with what the command line says instead."""
    from dataclasses import replace

    from management.downstream.endpoint import checked_servers

    endpoint = access.endpoint
    if servers:
        endpoint = replace(endpoint, servers=checked_servers(servers))
    if tls_server_name:
        endpoint = replace(endpoint, tls_server_name=tls_server_name)
    return endpoint


def _print_import(name: str, result: "Imported") -> None:
    for step in result.steps:
        click.echo(f"{step.action:<11}{step.title}")
    if result.cluster is None:
        click.echo(f"dry run: nothing was changed (Kubernetes {result.version})")
        return
    until = _until(result.cluster)
    click.echo(
        f'cluster "{name}" ({result.cluster.id}) imported, Kubernetes {result.version}, '
        + (f"tokens until {until}" if until else "with tokens that don't end")
    )


def _import_json(result: "Imported") -> dict[str, object]:
    return {
        "dry_run": result.cluster is None,
        "cluster": _cluster_json(result.cluster) if result.cluster else None,
        "version": result.version,
        "objects": [
            {"action": step.action.value, "object": step.manifest} for step in result.steps
        ],
    }


def _cluster_json(cluster: Cluster) -> dict[str, object]:
    """A cluster as the command line shows it: everything but its tokens."""
    return {
        "id": cluster.id,
        "name": cluster.name,
        "servers": list(cluster.servers),
        "tls_server_name": cluster.tls_server_name,
        "user_name": cluster.user_name,
        "isolation": cluster.isolation,
        "credential_source": cluster.credential_source.value,
        "tokens_expire_at": _until(cluster) or None,
        "created_at": cluster.created_at.isoformat(),
    }


def _until(cluster: Cluster) -> str:
    ends = cluster.tokens_expire_at
    return ends.isoformat(timespec="seconds") if ends else ""
