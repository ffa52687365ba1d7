"""The engine's objects in one namespace, kept in memory by informers."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from management.controllers.informer import Collection, Informer
from management.controllers.timing import InformerTiming
from management.kubernetes.client import ClusterClient
from management.provisioning.engine import CLUSTERS, DEPLOYMENTS, MACHINES, POOLS, engine_path
from management.provisioning.machine_pools import observed_machine_pool, with_pool_machines
from management.provisioning.observed import (
    ObservedCluster,
    ObservedMachine,
    ObservedPool,
    observed_cluster,
    observed_machine,
    observed_pool,
)

TIMING = InformerTiming(last_pause=2.0)
"""Pauses are four times as long while no API server responds: ten seconds after a management
cluster is back, its orders go on."""

MOST_CLUSTERS, MOST_POOLS, MOST_MACHINES = 5_000, 10_000, 50_000
"""Objects that are kept of each kind, whatever the namespace contains."""


@dataclass(frozen=True, slots=True)
class EngineState:
    """The objects at one moment, by the name of their Cluster."""

    clusters: dict[str, ObservedCluster] = field(default_factory=dict)
    pools: dict[str, list[ObservedPool]] = field(default_factory=dict)
    machines: dict[str, list[ObservedMachine]] = field(default_factory=dict)


class EngineView:
    """Watches Clusters, MachineDeployments, MachinePools and Machines.

    ``changed`` is called after each change. ``calls`` counts lists and watches.
    """

    def __init__(
        self,
        client: ClusterClient,
        namespace: str,
        changed: Callable[[], None],
        timing: InformerTiming = TIMING,
    ) -> None:
        def informer(resource: str, projection: Callable[[Any], Any], most: int) -> Informer:
            path = engine_path(resource, namespace)
            collection = Collection(path, projection=projection, max_items=most)
            return Informer(client, collection, changed, timing)

        self._clusters = informer(CLUSTERS, observed_cluster, MOST_CLUSTERS)
        self._deployments = informer(DEPLOYMENTS, observed_pool, MOST_POOLS)
        self._pools = informer(POOLS, observed_machine_pool, MOST_POOLS)
        self._machines = informer(MACHINES, observed_machine, MOST_MACHINES)

    @property
    def informers(self) -> tuple[Informer, ...]:
        """Return the informers."""
        return self._clusters, self._deployments, self._pools, self._machines

    @property
    def synced(self) -> bool:
        """Whether each collection was listed once."""
        return all(one.synced.is_set() for one in self.informers)

    @property
    def problem(self) -> str:
        """Why the view is not up to date; empty: it is."""
        if self._clusters.absent:
            return "the management cluster does not serve cluster.x-k8s.io/v1beta2"
        return next((one.error for one in self.informers if one.error), "")

    @property
    def rejected(self) -> bool:
        """Whether the management cluster does not know the account's token."""
        return any(one.rejected for one in self.informers)

    @property
    def reason(self) -> str:
        """Why the view is not up to date, without an address."""
        if self._clusters.absent:
            return self.problem
        return "the management cluster is unreachable, or does not let Sekisho read its objects"

    @property
    def calls(self) -> int:
        """The number of lists and watches so far."""
        return sum(one.calls for one in self.informers)

    def state(self) -> EngineState:
        """Return the objects as they are known now."""
        found = EngineState(
            {one.name: one for one in self._clusters.items.values()},
            defaultdict(list),
            defaultdict(list),
        )
        pools: Sequence[Any] = [*self._deployments.items.values(), *self._pools.items.values()]
        for pool in sorted(pools, key=lambda one: one.name):
            found.pools[pool.cluster].append(pool)
        for machine in self._machines.items.values():
            found.machines[machine.cluster].append(machine)
        for cluster, pools_of_one in found.pools.items():
            found.machines[cluster] = with_pool_machines(found.machines[cluster], pools_of_one)
        return found

    def put(self, manifest: dict[str, Any]) -> None:
        """Take the response to a write of a Cluster before the watch reports it."""
        self._clusters.put(manifest)

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for one in self.informers:
                group.create_task(one.run())
