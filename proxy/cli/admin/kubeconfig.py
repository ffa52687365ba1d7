"""``sekisho admin kubeconfig``: a kubeconfig for a user, from the store."""

from pathlib import Path

import click

from proxy.cli.admin.database import offline_store
from proxy.cli.common import (
    STANDARD_OUTPUT,
    CommandFailed,
    config_option,
    one_line_errors,
    run_async,
)
from proxy.cli.durations import DURATION, Ttl
from store.interfaces import Store
from store.records import Cluster, User


@click.command()
@click.argument("cluster", required=False)
@click.option("--user", "user_name", required=True, help="User: id, username or principal.")
@click.option("--exec", "use_exec", is_flag=True, help="No token in it: kubectl asks `sekisho`.")
@click.option("--ttl", type=DURATION, help="How long its token lives: 8h, 30d.")
@click.option("--read-only", is_flag=True, help="A token that only reads.")
@click.option("--proxy-read", is_flag=True, help="A token that reads, also pages and metrics.")
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write it there, readable by you alone. Default, and -: print it.",
)
@config_option
@one_line_errors
@run_async
async def kubeconfig(
    cluster: str | None,
    user_name: str,
    use_exec: bool,
    ttl: Ttl,
    read_only: bool,
    proxy_read: bool,
    file: Path | None,
    config_file: str | None,
) -> None:
    """Make a kubeconfig for CLUSTER, or for every cluster that the user may enter."""
    from management.clusters.kubeconfig import ClusterEntry, render_kubeconfig
    from management.identity.subjects import find_user
    from management.identity.tokens import TokenIssuer, TokenSpec, TtlTooLong, token_lifetimes
    from proxy.files.private_files import check_writable, write_private
    from proxy.transport.server_tls import ServerTls

    if file == STANDARD_OUTPUT:
        file = None
    async with offline_store(config_file) as (settings, store):
        user = await find_user(store, user_name)
        clusters = await _clusters(store, user, cluster)
        ca_pem = ServerTls(settings).ca_pem  # all that may fail comes before the token
        if file is not None:
            check_writable(file)  # a token in no file would be lost
        token = None
        if not use_exec:
            try:
                issued = await TokenIssuer(store.tokens, token_lifetimes(settings)).issue(
                    user,
                    TokenSpec(
                        kind="kubeconfig",
                        ttl=ttl,
                        clusters=[clusters[0].id] if cluster else [],
                        read_only=read_only,
                        proxy_read=proxy_read,
                        description=f"kubeconfig for {cluster or 'every cluster'}",
                    ),
                )
            except TtlTooLong as exc:
                raise CommandFailed(f"--ttl: {exc} (tokens.max_ttl)") from None
            token = issued.bearer
        text = render_kubeconfig(
            external_url=settings.external_url,
            clusters=[ClusterEntry(one.id, one.name) for one in clusters],
            user=user.username,
            token=token,
            ca_pem=ca_pem,
        )
    if file is None:
        click.echo(text, nl=False)
    else:
        write_private(file, text.encode())


async def _clusters(store: Store, user: User, wanted: str | None) -> list[Cluster]:
    """Return the clusters for the file. Raises CommandFailed if the user may enter none."""
    from management.authorization.access import access_of
    from management.authorization.role_catalog import RoleCatalog
    from management.clusters.lookup import find_cluster

    groups = [one.id for one in await store.users.memberships(user.id)]
    held = await store.tokens.holdings(user.id, groups)
    access = access_of(held.bindings, RoleCatalog(held.roles))
    everything = [await find_cluster(store, wanted)] if wanted else await store.clusters.list_all()
    clusters = [one for one in everything if access.can_enter(one.id)]
    if not clusters:
        which = f'the cluster "{wanted}"' if wanted else "any cluster"
        raise CommandFailed(
            f"{user.username} may not enter {which}; run: "
            f"sekisho admin cluster grant {wanted or 'CLUSTER'} --user {user.id} --role member"
        )
    return clusters
