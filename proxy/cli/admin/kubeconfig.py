"""``sekisho kubeconfig``: a kubeconfig for a user, on the store."""

import click

from proxy.cli.common import Failed, config_option, offline_store, one_line_errors, run_async
from proxy.cli.durations import DURATION, Ttl
from store.interfaces import Cluster, Store, User


@click.command()
@click.argument("cluster", required=False)
@click.option("--user", "user_name", required=True, help="Whose: id, name or principal.")
@click.option("--exec", "use_exec", is_flag=True, help="No token in it: kubectl asks `sekisho`.")
@click.option("--ttl", type=DURATION, help="How long its token lives: 8h, 30d.")
@config_option
@one_line_errors
@run_async
async def kubeconfig(
    cluster: str | None, user_name: str, use_exec: bool, ttl: Ttl, config_file: str | None
) -> None:
    """Print a kubeconfig for CLUSTER, or for every cluster that the user may enter."""
    from management.kubeconfig import ClusterEntry, render_kubeconfig
    from management.subjects import find_user
    from management.tokens import TokenService, TtlTooLong
    from proxy.lifetimes import lifetimes
    from proxy.server_tls import ServerTls

    async with offline_store(config_file) as (settings, store):
        user = await find_user(store, user_name)
        clusters = await _clusters(store, user, cluster)
        ca_pem = ServerTls(settings).ca_pem  # what may fail comes before a token is made
        token = None
        if not use_exec:
            try:
                issued = await TokenService(store.tokens, lifetimes(settings)).issue(
                    user,
                    kind="kubeconfig",
                    ttl=ttl,
                    clusters=[clusters[0].id] if cluster else [],
                    description=f"kubeconfig for {cluster or 'every cluster'}",
                )
            except TtlTooLong as exc:
                raise Failed(f"--ttl: {exc} (tokens.max_ttl)") from None
            token = issued.bearer
        text = render_kubeconfig(
            external_url=settings.external_url,
            clusters=[ClusterEntry(one.id, one.name) for one in clusters],
            user=user.username,
            token=token,
            ca_pem=ca_pem,
        )
    click.echo(text, nl=False)


async def _clusters(store: Store, user: User, wanted: str | None) -> list[Cluster]:
    """The clusters for the file. Raises Failed where the user may enter none of them."""
    from management.authorization.access import access_of
    from management.authorization.book import RoleBook
    from management.cluster_records import find_cluster

    groups = [one.id for one in await store.users.memberships(user.id)]
    held = await store.tokens.holdings(user.id, groups)
    access = access_of(held.bindings, RoleBook(held.roles))
    everything = [await find_cluster(store, wanted)] if wanted else await store.clusters.list_all()
    clusters = [one for one in everything if access.enters(one.id)]
    if not clusters:
        which = f'cluster "{wanted}"' if wanted else "any cluster"
        raise Failed(
            f"{user.username} may not enter {which}: "
            f"sekisho cluster grant {wanted or 'CLUSTER'} --user {user.username} --role member"
        )
    return clusters
