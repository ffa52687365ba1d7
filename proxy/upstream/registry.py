"""The clusters that the gate forwards to, kept in memory and in step with the store."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from proxy.access_review import AccessReviews
from proxy.cluster_tls import ClusterTls, ContextSource
from proxy.metrics import GateMetrics
from proxy.pool import PoolLimits, UpstreamPool
from store.interfaces import Change, Cluster, Store, StoreUnavailable

REFRESH_BLIND_SECONDS = 1.0
"""How often everything is read again while the store's announcements don't arrive."""

_LOG = structlog.get_logger("sekisho.clusters")


@dataclass(slots=True, eq=False)
class Downstream:
    """A cluster as the gate uses it: its record, its connections, and lines that never change.

    ``credential`` is the Authorization line; ``prefix`` the gate's path of the cluster.
    """

    cluster: Cluster
    pool: UpstreamPool
    reviews: AccessReviews
    credential: bytes
    prefix: bytes


class ClusterDirectory:
    """Finds clusters by id or name. Run :meth:`follow_changes` beside it."""

    def __init__(self, store: Store, metrics: GateMetrics, limits: PoolLimits) -> None:
        self._store = store
        self._metrics = metrics
        self._limits = limits
        self._tls = ClusterTls()
        self._refreshing = asyncio.Lock()
        self._missed = False
        self._by_id: dict[str, Downstream] = {}
        self._by_name: dict[str, Downstream] = {}

    def find(self, id_or_name: str) -> Downstream | None:
        """The cluster with that id, else with that name."""
        return self._by_id.get(id_or_name) or self._by_name.get(id_or_name)

    def all(self) -> list[Downstream]:
        """Every cluster."""
        return list(self._by_id.values())

    async def load(self) -> None:
        """Read every cluster from the store. Raises StoreUnavailable."""
        clusters = {
            cluster.id: cluster
            for cluster in await self._store.clusters.list_all()
            if cluster.removing_since is None
        }
        for gone in self._by_id.keys() - clusters.keys():
            self._remove(gone)
        for cluster in clusters.values():
            self._put(cluster)

    async def follow_changes(self) -> None:
        """Keep in step with the store, until cancelled."""
        async with self._store.changes.subscribe() as changes:
            await self.refresh(None)
            async for change in changes:
                await self._apply(change)

    async def refresh_while_blind(self) -> None:
        """Read everything again now and then while announcements are missed, until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_BLIND_SECONDS)
            if self._missed or not self._store.changes.live:
                await self.refresh(None)

    async def close(self) -> None:
        """Close every connection now."""
        for downstream in self._by_id.values():
            downstream.pool.abort()
            await downstream.reviews.close()
        self._by_id.clear()
        self._by_name.clear()

    async def _apply(self, change: Change) -> None:
        if change.kind == "cluster":
            await self.refresh(change.key)
        elif change.kind == "all":
            await self.refresh(None)

    async def refresh(self, key: str | None) -> None:
        """Read one cluster again, or all. What can't be read stays as it was, until it can.

        One at a time: what was read first must not be put in place last.
        """
        async with self._refreshing:
            try:
                await self._read(key)
            except StoreUnavailable as exc:
                self._missed = True
                _LOG.warning("clusters not refreshed", error=str(exc))

    async def _read(self, key: str | None) -> None:
        if key is None:
            await self.load()
            self._missed = False
        elif (cluster := await self._store.clusters.get(key)) is None or cluster.removing_since:
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
        if old is not None:
            self._by_name.pop(old.cluster.name, None)
        self._by_id[cluster.id] = new
        self._by_name[cluster.name] = new

    def _make(self, cluster: Cluster, old: Downstream | None) -> Downstream:
        """Connections are kept where only the token or the name has changed."""
        if old is not None and _same_endpoint(old.cluster, cluster):
            pool = old.pool
            reviews = old.reviews
            reviews.use(cluster)
        else:
            context = self._tls.source(cluster.ca_pem)
            pool = self._pool(cluster, context)
            reviews = AccessReviews(cluster, context)
            if old is not None:
                old.pool.close()
                old.reviews.close_soon()
        return Downstream(
            cluster=cluster,
            pool=pool,
            reviews=reviews,
            credential=b"Authorization: Bearer " + cluster.impersonator_token.encode() + b"\r\n",
            prefix=f"/k8s/clusters/{cluster.id}".encode(),
        )

    def _pool(self, cluster: Cluster, context: ContextSource) -> UpstreamPool:
        pool = UpstreamPool(
            cluster.servers,
            context,
            server_name=cluster.tls_server_name,
            limits=self._limits,
            on_error=self._error_counter(cluster.name),
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
        self._by_name.pop(gone.cluster.name, None)
        # Access has ended: what still streams ends with it.
        gone.pool.abort()
        gone.reviews.close_soon()
        self._metrics.forget_cluster(gone.cluster.name)


def _same_endpoint(one: Cluster, other: Cluster) -> bool:
    return (one.servers, one.ca_pem, one.tls_server_name, one.name) == (
        other.servers,
        other.ca_pem,
        other.tls_server_name,
        other.name,
    )
