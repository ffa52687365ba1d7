"""Start and stop the controllers of clusters as this replica gains and loses their leases."""

import asyncio
from collections.abc import Callable
from typing import Self

from config.loggers import get_logger
from config.namespace_settings import NamespaceSettings
from config.settings import Settings
from management.backoff import Backoff
from management.clusters.service import ClusterService
from management.controllers.agents import Agents
from management.controllers.cluster_controllers import ClusterControllers, ManagedCluster
from management.controllers.label_trust import LabelTrust
from management.controllers.leader_election import LeaderElection
from management.controllers.timing import ControllerTiming
from management.errors import ManagementError
from management.kubernetes.cluster_client import unreadable
from management.kubernetes.errors import ClusterApiError
from management.kubernetes.process_memory import ProcessMemory
from management.tracing.tracing import Tracing
from store.errors import StoreError
from store.interfaces import Store
from store.records import Change, Cluster

STOP_SECONDS = 1.0
"""How long a stop may take. The server is stopping, and leases expire by themselves."""

STARTS_PER_SECOND = 20
"""Clusters started per second. After a start, or after another replica ended, a thousand are due at
once. The proxy runs on the same core, and leases are renewed through the same database."""

_LOG = get_logger(__name__)


class ControllerManager:
    """The controllers of this replica. Call :meth:`run` beside the server.

    ``label_trust`` makes one :class:`LabelTrust` for each cluster. ``normal_events``: read events
    that are no warnings, too. ``agents`` are those connected. ``memory`` is what the objects of all
    clusters may take. ``tracing`` may be set before a run.
    """

    def __init__(
        self,
        store: Store,
        election: LeaderElection | None = None,
        namespaces: NamespaceSettings | None = None,
        *,
        label_trust: Callable[[], LabelTrust] | None = None,
        agents: Agents | None = None,
        timing: ControllerTiming | None = None,
        normal_events: bool = False,
        memory: ProcessMemory | None = None,
    ) -> None:
        self._store = store
        self.memory = memory or ProcessMemory()
        self.tracing: Tracing | None = None
        self.election = election or LeaderElection(store)
        self._timing = timing or ControllerTiming()
        self._controllers = ClusterControllers(
            store,
            self.election,
            self.memory,
            self._timing,
            label_trust=label_trust or (lambda: LabelTrust(namespaces)),
            agents=agents or Agents(),
            normal_events=normal_events,
        )
        self._clusters: dict[str, ManagedCluster] = {}
        self._lock = asyncio.Lock()
        self._stale = True

    @classmethod
    def from_settings(
        cls, store: Store, settings: Settings, agents: Agents, memory: ProcessMemory
    ) -> Self:
        """Return the controllers that the configuration describes."""
        return cls(
            store,
            namespaces=settings.namespaces,
            agents=agents,
            normal_events=settings.controllers.normal_events,
            memory=memory,
        )

    @property
    def clusters(self) -> dict[str, ManagedCluster]:
        """Return the clusters that this replica manages, by id."""
        return dict(self._clusters)

    async def run(self) -> None:
        """Manage the clusters that this replica leads, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.election.run(self._on_leases))
                group.create_task(self._follow_store())
        finally:
            await self._stop()

    async def _stop(self) -> None:
        """Stop all controllers and release the leases, unless the store takes too long."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._end(*self._clusters)
                await self.election.release()
        except (StoreError, TimeoutError) as exc:
            _LOG.warning("leases not released; they expire", error=str(exc) or "no time left")

    async def _follow_store(self) -> None:
        """Pass changes of the store to all reconcilers."""
        async with self._store.changes.subscribe() as changes:
            async for change in changes:
                if change.kind in {"status", "report"}:
                    continue  # The status observers write these, one for each cluster.
                for managed in self._clusters.values():
                    if managed.reconciler is not None:
                        managed.reconciler.on_store_change(change)
                if change.kind in {"cluster", "all"}:
                    await self._on_cluster_change(change)

    async def _on_cluster_change(self, change: Change) -> None:
        """Start and stop controllers after a cluster was added, changed or deleted."""
        try:
            if change.key is None or change.key not in self._clusters:
                await self.election.renew()
            await self._update(self.election.led)
        except StoreError as exc:
            _LOG.warning("cluster scan failed", error=str(exc))

    async def _on_leases(self, led: frozenset[str]) -> None:
        """Start and stop controllers after a renewal, if leases or the store may have changed."""
        missed = self._stale or not self._store.changes.live
        ended = any(managed.task.done() for managed in self._clusters.values())
        if missed or ended or led != self._clusters.keys():
            await self._update(led)

    async def _update(self, led: frozenset[str]) -> None:
        """Start and stop controllers so that exactly the clusters in ``led`` are managed."""
        async with self._lock:
            self._stale = True
            try:
                stored = {one.id: one for one in await self._store.clusters.list_all()}
            except StoreError as exc:
                _LOG.warning("cluster scan failed", error=str(exc))
                await self._end(*(self._clusters.keys() - led))
                return
            self._stale = False
            wanted = {one: stored[one] for one in led & stored.keys()}
            outdated = [
                one
                for one, managed in self._clusters.items()
                if one not in wanted
                or _differs(wanted[one], managed.cluster)
                or managed.task.done()
            ]
            await self._end(*outdated)
            fresh = [one for one in wanted.values() if one.id not in self._clusters]
            for position, cluster in enumerate(fresh):
                self._begin(cluster, position / STARTS_PER_SECOND)

    def _begin(self, cluster: Cluster, delay: float) -> None:
        task = asyncio.create_task(self._manage(cluster, delay), name=f"cluster-{cluster.name}")
        self._clusters[cluster.id] = ManagedCluster(cluster, task)

    async def _end(self, *cluster_ids: str) -> None:
        ended = [self._clusters.pop(one) for one in cluster_ids if one in self._clusters]
        for managed in ended:
            managed.task.cancel()
        await asyncio.gather(*(managed.task for managed in ended), return_exceptions=True)

    async def _manage(self, cluster: Cluster, delay: float) -> None:
        """Run a cluster's controllers until cancelled, after ``delay`` seconds."""
        if cluster.is_pending:
            await asyncio.get_running_loop().create_future()  # Until it is registered.
        if cluster.unreadable:
            _LOG.error("cluster not managed", cluster=cluster.name, error=unreadable(cluster))
            await asyncio.get_running_loop().create_future()  # Until the stored record changes.
        await asyncio.sleep(delay)
        backoff = Backoff(self._timing.first_restart, self._timing.last_restart)
        while True:
            backoff.begin()
            try:
                if cluster.removing_since is not None:
                    await self._remove(cluster)
                    return
                await self._controllers.run(self._clusters[cluster.id], self.tracing)
            except Exception:
                if not self.election.is_leader(cluster.id):
                    return
                _LOG.exception("cluster controllers failed", cluster=cluster.name)
            await asyncio.sleep(backoff.pause())

    async def _remove(self, cluster: Cluster) -> None:
        """Uninstall Sekisho from a cluster that was unreachable when it was removed.

        A pause comes first: the request that removes the cluster uninstalls it at this moment, and
        ends this task when it succeeds.
        """
        backoff = Backoff(self._timing.first_removal, self._timing.last_removal)
        while True:
            await asyncio.sleep(backoff.pause())
            try:
                await ClusterService(self._store).remove(cluster.id)
            except (ClusterApiError, ManagementError, StoreError) as exc:
                _LOG.info("cluster not uninstalled yet", cluster=cluster.name, error=str(exc))
            else:
                _LOG.info("cluster uninstalled and removed", cluster=cluster.name)
                return


def _differs(one: Cluster, other: Cluster) -> bool:
    """Return whether the controllers must restart: a field that they depend on has changed."""
    return (
        one.servers,
        one.ca_pem,
        one.tls_server_name,
        one.impersonator_token,
        one.controller_token,
        one.username_mapping,
        one.impersonator,
        one.removing_since,
        one.held_since,
        one.name,
    ) != (
        other.servers,
        other.ca_pem,
        other.tls_server_name,
        other.impersonator_token,
        other.controller_token,
        other.username_mapping,
        other.impersonator,
        other.removing_since,
        other.held_since,
        other.name,
    )
