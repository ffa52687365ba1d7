"""The controllers of one cluster: reconciler, status observer, and those of its agent."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from management.backoff import Backoff
from management.clusters.agent_token_renewal import renew_agent_token_in_time
from management.clusters.registrar_removal import remove_registrar_in_time
from management.controllers.agent_upgrader import AgentUpgrader
from management.controllers.agents import Agents
from management.controllers.cluster_status import ClusterStatusObserver
from management.controllers.label_trust import LabelTrust
from management.controllers.leader_election import LeaderElection
from management.controllers.reconciler import ClusterReconciler
from management.controllers.timing import STORE_TURNS, ControllerTiming
from management.kubernetes.client import ClusterClient
from management.kubernetes.cluster_client import endpoint_of
from management.kubernetes.endpoint import ClusterCredential
from management.kubernetes.errors import MemoryExhausted
from management.kubernetes.process_memory import ClusterBudget, ProcessMemory
from management.tracing.tracing import Tracing
from store.interfaces import Store
from store.records import Cluster

NO_TOKEN = "Sekisho has no controller token for the cluster"  # noqa: S105 - a sentence


@dataclass(slots=True)
class ManagedCluster:
    """The controllers of one cluster. ``reconciler`` is None without a controller token."""

    cluster: Cluster
    task: asyncio.Task[None]
    reconciler: ClusterReconciler | None = None
    client: ClusterClient | None = None
    observer: ClusterStatusObserver | None = None


class ClusterControllers:
    """Runs the controllers of clusters that this replica leads, with what all of them share."""

    def __init__(
        self,
        store: Store,
        election: LeaderElection,
        memory: ProcessMemory,
        timing: ControllerTiming,
        *,
        label_trust: Callable[[], LabelTrust],
        agents: Agents,
        normal_events: bool,
    ) -> None:
        self._store = store
        self._election = election
        self._memory = memory
        self._timing = timing
        self._label_trust = label_trust
        self._agents = agents
        self._normal_events = normal_events
        self._turns = asyncio.Semaphore(STORE_TURNS)

    async def run(self, managed: ManagedCluster, tracing: Tracing | None = None) -> None:
        """Run a cluster's controllers until cancelled.

        After others needed its memory, none of its objects is kept for a while.
        """
        cluster = managed.cluster
        first, last = self._timing.first_without_memory, self._timing.last_without_memory
        backoff = Backoff(first, last, healthy=last)
        while True:
            backoff.begin()
            with self._memory.budget(cluster.name) as budget:
                await self._run(managed, tracing, budget)
            with self._memory.budget(cluster.name) as budget, suppress(TimeoutError):
                async with asyncio.timeout(backoff.pause()):
                    await self._run(managed, tracing, budget, budget.problem)

    async def _run(
        self,
        managed: ManagedCluster,
        tracing: Tracing | None,
        budget: ClusterBudget,
        dropped: str | None = None,
    ) -> None:
        """Run a cluster's controllers until others need its memory.

        ``dropped`` is why nothing of the cluster is kept in memory, or None.
        """
        cluster = managed.cluster

        def is_leader() -> bool:
            return self._election.is_leader(cluster.id)

        token = cluster.controller_token
        credential = ClusterCredential(token=token or cluster.impersonator_token)
        async with ClusterClient(endpoint_of(cluster), credential, memory=budget) as client:
            reconciler = (
                ClusterReconciler(
                    self._store,
                    cluster,
                    client,
                    is_leader,
                    label_trust=self._label_trust(),
                    timing=self._timing.reconciler,
                    tracing=tracing,
                )
                if token is not None and dropped is None
                else None
            )
            upgrader = (
                AgentUpgrader(
                    cluster,
                    client,
                    self._agents,
                    is_leader=is_leader,
                    timing=self._timing.agent,
                )
                if cluster.reach == "agent"
                else None
            )
            observer = ClusterStatusObserver(
                self._store,
                cluster,
                client,
                rbac_error=lambda: reconciler.problem if reconciler else dropped or NO_TOKEN,
                is_leader=is_leader,
                turns=self._turns,
                full=reconciler is not None,
                dropped=dropped,
                normal_events=self._normal_events,
                collections=lambda: reconciler.collections if reconciler is not None else (),
                agent_problem=(lambda: upgrader.problem) if upgrader is not None else None,
                timing=self._timing.status,
            )
            managed.reconciler, managed.client, managed.observer = reconciler, client, observer
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(budget.raise_when_dropped())
                    group.create_task(observer.run())
                    if reconciler is not None:
                        group.create_task(reconciler.run())
                        group.create_task(remove_registrar_in_time(client, cluster.name))
                        if upgrader is not None:
                            group.create_task(renew_agent_token_in_time(self._store, cluster))
                            group.create_task(upgrader.run())
            except* MemoryExhausted:
                pass  # The group has ended everything that keeps objects.
