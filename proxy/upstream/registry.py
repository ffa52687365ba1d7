"""The clusters that the proxy forwards to, in memory, synchronized with the store."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from config.loggers import get_logger
from management.kubernetes.cluster_client import dialer_of, unreadable
from proxy.metrics.proxy_metrics import ProxyMetrics
from proxy.response.references import Upstreams, upstreams_of
from proxy.transport.client_tls import ClientTLSContexts, ContextSource
from proxy.upstream.access_review import AccessReviewer
from proxy.upstream.credential_check import CredentialChecks
from proxy.upstream.limits import PoolLimits
from proxy.upstream.ordered_clusters import OrderedClusters
from proxy.upstream.outage import Outage
from proxy.upstream.pool import ConnectionPool
from store.changes import follow
from store.errors import StoreUnavailable
from store.interfaces import Store
from store.records import Change, Cluster

POLL_SECONDS = 1.0
"""How often all clusters are read while the store's change feed is interrupted."""

_LOG = get_logger(__name__)


@dataclass(slots=True, eq=False)
class UpstreamCluster:
    """A cluster as the proxy uses it: its record, its connection pool, and constant header lines.

    ``credential`` is the Authorization line. ``prefix`` is the proxy's path of the cluster, and
    ``upstreams`` are the addresses of its API servers; both are for the rewriting of links.
    ``outage`` is about the requests that Sekisho sends itself before it forwards one.
    """

    cluster: Cluster
    pool: ConnectionPool
    reviews: AccessReviewer
    checks: CredentialChecks
    credential: bytes
    prefix: bytes
    upstreams: Upstreams
    outage: Outage = field(default_factory=Outage)


class UpstreamRegistry:
    """Find clusters by id or name. Run :meth:`follow_changes` and :meth:`poll` beside it.

    ``orders`` are those of clusters, imported or not.
    """

    def __init__(self, store: Store, metrics: ProxyMetrics, limits: PoolLimits) -> None:
        self.orders = OrderedClusters(store)
        self._store = store
        self._metrics = metrics
        self._limits = limits
        self._tls = ClientTLSContexts()
        self._refreshing = asyncio.Lock()
        self._missed_changes = False
        self._by_id: dict[str, UpstreamCluster] = {}
        self._by_name: dict[str, UpstreamCluster] = {}

    def find(self, id_or_name: str) -> UpstreamCluster | None:
        """Return the cluster with that id, else with that name."""
        return self._by_id.get(id_or_name) or self._by_name.get(id_or_name)

    def all(self) -> list[UpstreamCluster]:
        """Return all clusters."""
        return list(self._by_id.values())

    async def load(self) -> None:
        """Read all clusters from the store. Raises StoreUnavailable."""
        clusters = {
            cluster.id: cluster
            for cluster in await self._store.clusters.list_all()
            if cluster.removing_since is None and not cluster.is_pending
        }
        for gone in self._by_id.keys() - clusters.keys():
            self._remove(gone)
        for cluster in clusters.values():
            self._put(cluster)
        await self.orders.load()

    async def follow_changes(self) -> None:
        """Apply the store's changes until cancelled."""
        await follow(self._store.changes, self._apply, self._refresh_all)

    async def poll(self) -> None:
        """Read all clusters regularly while changes may have been missed, until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            if self._missed_changes or not self._store.changes.live:
                await self.refresh(None)

    async def close(self) -> None:
        """Close all connections now."""
        for upstream in self._by_id.values():
            upstream.pool.abort()
            upstream.checks.close()
            await upstream.reviews.close()
        self._by_id.clear()
        self._by_name.clear()

    async def _refresh_all(self) -> None:
        await self.refresh(None)

    async def _apply(self, change: Change) -> None:
        if change.kind == "cluster":
            await self.refresh(change.key)
        elif change.kind == "order" and change.key is not None:
            await self._refresh_order(change.key)
        elif change.kind == "all":
            await self.refresh(None)

    async def _refresh_order(self, order_id: str) -> None:
        try:
            await self.orders.refresh(order_id)
        except StoreUnavailable as exc:
            self._missed_changes = True
            _LOG.warning("orders not refreshed", error=str(exc))

    async def refresh(self, key: str | None) -> None:
        """Read one cluster again, or all. While the store fails, the known clusters stay.

        Refreshes run one at a time, so that an older record never replaces a newer one.
        """
        await self._refreshing.acquire()
        try:
            await self._read(key)
        except StoreUnavailable as exc:
            self._missed_changes = True
            _LOG.warning("clusters not refreshed", error=str(exc))
        finally:
            self._refreshing.release()

    async def _read(self, key: str | None) -> None:
        if key is None:
            await self.load()
            self._missed_changes = False
        elif (
            (cluster := await self._store.clusters.get(key)) is None
            or cluster.removing_since
            or cluster.is_pending
        ):
            self._remove(key)
        else:
            self._put(cluster)

    def _put(self, cluster: Cluster) -> None:
        old = self._by_id.get(cluster.id)
        if old is not None and old.cluster == cluster:
            return
        try:
            new = self._make(cluster, old)
        except (ssl.SSLError, ValueError) as exc:
            _LOG.error("cluster can't be used", cluster=cluster.name, error=str(exc))
            return
        if cluster.unreadable:
            _LOG.error("cluster can't be used", cluster=cluster.name, error=unreadable(cluster))
        self._by_id[cluster.id] = new
        self._by_name[cluster.name] = new
        if old is not None and old.cluster.name != cluster.name:
            self._forget_name(old)

    def _make(self, cluster: Cluster, old: UpstreamCluster | None) -> UpstreamCluster:
        """Build a cluster; keep the connections if its endpoint is the same."""
        if old is not None and _same_endpoint(old.cluster, cluster):
            pool = old.pool
            reviews, checks = old.reviews, old.checks
            reviews.update(cluster)
        else:
            context = self._tls.source(cluster.ca_pem)
            pool = self._pool(cluster, context)
            reviews = AccessReviewer(cluster, context)
            checks = CredentialChecks(cluster, context)
            if old is not None:
                old.pool.close()
                old.reviews.close_soon()
        return UpstreamCluster(
            cluster=cluster,
            pool=pool,
            reviews=reviews,
            checks=checks,
            credential=b"Authorization: Bearer " + cluster.impersonator_token.encode() + b"\r\n",
            prefix=f"/k8s/clusters/{cluster.id}".encode(),
            upstreams=upstreams_of(
                cluster.servers, f"/k8s/clusters/{cluster.id}", f"/k8s/clusters/{cluster.name}"
            ),
        )

    def _pool(self, cluster: Cluster, context: ContextSource) -> ConnectionPool:
        pool = ConnectionPool(
            cluster.servers,
            context,
            server_name=cluster.tls_server_name,
            limits=self._limits,
            on_error=self._error_counter(cluster.name),
            addresses=cluster.addresses,
            dialer=dialer_of(cluster),
        )
        self._metrics.upstream_connections.labels(cluster.name).set_function(
            lambda: pool.connections
        )
        return pool

    def _error_counter(self, cluster: str) -> Callable[[str], None]:
        return lambda kind: self._metrics.upstream_errors.labels(cluster, kind).inc()

    def _remove(self, cluster_id: str) -> None:
        gone = self._by_id.pop(cluster_id, None)
        if gone is None:
            return
        self._forget_name(gone)
        # Access has ended: running streams end with it.
        gone.pool.abort(after_events=True)
        gone.checks.close()
        gone.reviews.close_soon()

    def _forget_name(self, old: UpstreamCluster) -> None:
        """Forget a cluster's former name, unless another cluster has it now.

        Clusters that exchange their names are read one after the other: the first one takes the
        name while the other still has it.
        """
        holder = self._by_name.get(old.cluster.name)
        if holder is not None and holder.cluster.id != old.cluster.id:
            return
        self._by_name.pop(old.cluster.name, None)
        self._metrics.forget_cluster(old.cluster.name)


def _same_endpoint(one: Cluster, other: Cluster) -> bool:
    return (
        one.servers,
        one.ca_pem,
        one.tls_server_name,
        one.name,
        one.trusted_addresses,
        one.reach,
    ) == (
        other.servers,
        other.ca_pem,
        other.tls_server_name,
        other.name,
        other.trusted_addresses,
        other.reach,
    )
