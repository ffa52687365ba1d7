"""Run a provisioner for each management cluster whose lease this replica holds."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from config.loggers import get_logger
from management.backoff import Backoff
from management.controllers.leader_election import LeaderElection
from management.kubernetes.client import ClusterClient
from management.kubernetes.cluster_client import endpoint_of
from management.kubernetes.endpoint import ClusterCredential
from management.kubernetes.errors import MemoryExhausted
from management.kubernetes.process_memory import ClusterBudget, ProcessMemory
from management.provisioning.importing import ClusterImporter
from management.provisioning.provisioner import Provisioner
from management.provisioning.reporting import ObserveStep, RecordAct, Reports, no_record, no_step
from management.provisioning.token_renewal import renew_provisioner_token_in_time
from store.errors import StoreError
from store.interfaces import Store
from store.order_records import ManagementCluster
from store.records import Change, Cluster

LEASE_SECONDS = 1.0
"""How often the leases are compared, if there is a management cluster."""

FIRST_RESTART, LAST_RESTART = 1.0, 60.0
"""Seconds of the first and the longest pause before a provisioner that failed starts again."""

_LOG = get_logger(__name__)


@dataclass(slots=True)
class _Running:
    """A provisioner with what it was made from. ``provisioner`` is None until it runs."""

    cluster: Cluster
    management: ManagementCluster
    reports: Reports
    provisioner: Provisioner | None = None
    task: asyncio.Task[None] | None = None


@dataclass(slots=True)
class Provisioners:
    """The provisioners of this replica. Call :meth:`run` beside the controllers.

    ``election`` and ``memory`` are those of the controllers. Without a management cluster, this
    costs one query.
    """

    store: Store
    election: LeaderElection
    importer: ClusterImporter
    record: RecordAct = no_record
    step: ObserveStep = no_step
    client: Callable[..., ClusterClient] = ClusterClient
    memory: ProcessMemory = field(default_factory=ProcessMemory)
    _known: list[ManagementCluster] = field(default_factory=list)
    _running: dict[str, _Running] = field(default_factory=dict)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def running(self) -> list[Provisioner]:
        """Return the provisioners that run now."""
        return [one.provisioner for one in self._running.values() if one.provisioner is not None]

    async def run(self) -> None:
        """Follow the orders of the management clusters that this replica leads, until cancelled."""
        try:
            async with self.store.changes.subscribe() as changes, asyncio.TaskGroup() as group:
                group.create_task(self._compare_forever())
                async for change in changes:
                    await self._on_change(change)
        finally:
            await self._end(*self._running)

    async def _on_change(self, change: Change) -> None:
        for one in self.running:
            one.on_store_change(change)
        if change.kind in {"management-cluster", "all"} or (
            change.kind == "cluster" and change.key in self._running
        ):
            await self._read()

    async def _compare_forever(self) -> None:
        await self._read()
        while True:
            await asyncio.sleep(LEASE_SECONDS)
            if self._known or self._running:
                await self._compare({})

    async def _read(self) -> None:
        """Read the management clusters, and restart the provisioners whose cluster has changed."""
        try:
            self._known = list(await self.store.management_clusters.list_all())
            stored = {
                one.cluster_id: await self.store.clusters.get(one.cluster_id) for one in self._known
            }
        except StoreError as exc:
            _LOG.warning("management clusters not read", error=str(exc))
            return
        await self._compare(stored)

    async def _compare(self, read: dict[str, Cluster | None]) -> None:
        async with self._lock:
            try:
                await self._start_and_stop(read)
            except StoreError as exc:
                _LOG.warning("management clusters not read", error=str(exc))

    async def _start_and_stop(self, read: dict[str, Cluster | None]) -> None:
        led = self.election.led
        wanted = {one.cluster_id: one for one in self._known if one.cluster_id in led}
        outdated = [
            key
            for key, one in self._running.items()
            if key not in wanted
            or (one.task is not None and one.task.done())
            or _place(wanted[key]) != _place(one.management)
            or (key in read and _connection(read[key]) != _connection(one.cluster))
        ]
        await self._end(*outdated)
        for key, management in wanted.items():
            if key not in self._running:
                cluster = read.get(key) or await self.store.clusters.get(key)
                if cluster is not None and cluster.removing_since is None:
                    self._begin(cluster, management)

    def _begin(self, cluster: Cluster, management: ManagementCluster) -> None:
        running = _Running(cluster, management, Reports(self.record, self.step))
        self._running[cluster.id] = running
        running.task = asyncio.create_task(self._keep(running), name=f"provisioner-{cluster.name}")

    async def _keep(self, running: _Running) -> None:
        backoff = Backoff(FIRST_RESTART, LAST_RESTART)
        cluster = running.cluster
        while True:
            backoff.begin()
            try:
                await self._provision(running)
            except Exception:
                if not self.election.is_leader(cluster.id):
                    return
                _LOG.exception("provisioner failed", cluster=cluster.name)
            finally:
                running.provisioner = None
            await asyncio.sleep(backoff.pause())

    async def _provision(self, running: _Running) -> None:
        cluster, management = running.cluster, running.management
        if management.unreadable:
            await renew_provisioner_token_in_time(self.store, cluster)
            return  # Until then, the new token has started another provisioner.
        credential = ClusterCredential(token=management.token)
        with self.memory.budget(cluster.name) as budget:
            client = self.client(endpoint_of(cluster), credential, memory=budget)
            try:
                await self._follow(running, client, budget)
            except* MemoryExhausted:
                pass  # The group has ended everything that keeps objects.

    async def _follow(
        self, running: _Running, client: ClusterClient, budget: ClusterBudget
    ) -> None:
        cluster, management = running.cluster, running.management
        async with client:
            provisioner = running.provisioner = Provisioner(
                self.store,
                cluster,
                management,
                client,
                self.importer,
                is_leader=lambda: self.election.is_leader(cluster.id),
                reports=running.reports,
            )
            async with asyncio.TaskGroup() as group:
                group.create_task(budget.raise_when_dropped())
                group.create_task(provisioner.run())
                renewal = renew_provisioner_token_in_time(
                    self.store, cluster, is_rejected=provisioner.is_rejected
                )
                group.create_task(renewal)

    async def _end(self, *cluster_ids: str) -> None:
        ended = [self._running.pop(one) for one in cluster_ids if one in self._running]
        tasks = [one.task for one in ended if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _place(management: ManagementCluster) -> tuple[str, str]:
    return management.namespace, management.token


def _connection(cluster: Cluster | None) -> tuple[Any, ...] | None:
    """Return what the provisioner's connections depend on."""
    if cluster is None:
        return None
    return (
        cluster.servers,
        cluster.ca_pem,
        cluster.tls_server_name,
        cluster.controller_token,
        cluster.reach,
        cluster.removing_since,
        cluster.held_since,
        cluster.name,
    )
