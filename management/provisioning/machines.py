"""Read the machines of one order from its management cluster, when a user looks at them."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from management.kubernetes.client import ClusterClient
from management.kubernetes.errors import ApiNotFound, ClusterApiError
from management.kubernetes.manifests import Manifest
from management.kubernetes.validation import MalformedObject
from management.provisioning.class_catalog import READ_SECONDS, EngineAway, engine_client
from management.provisioning.engine import CLUSTER_NAME, MACHINES, POOLS, engine_path
from management.provisioning.engine_errors import failure_of
from management.provisioning.machine_pools import observed_machine_pool, with_pool_machines
from management.provisioning.observed import ObservedMachine, observed_machine
from store.interfaces import Store
from store.order_records import ManagementCluster

Observed = TypeVar("Observed")

MAX_MACHINES = 1_000
"""Machines of one cluster that are shown."""


@dataclass(frozen=True, slots=True)
class MachinesReader:
    """Reads Machines with Sekisho's account in a management cluster."""

    store: Store

    async def machines(
        self, management: ManagementCluster, engine_name: str
    ) -> list[ObservedMachine]:
        """Return the machines of a Cluster, and Nodes of pools without Machines.

        Raises EngineAway.
        """
        try:
            async with asyncio.timeout(READ_SECONDS):
                async with await engine_client(self.store, management) as client:
                    items = await _listed(client, MACHINES, management, engine_name)
                    pools = await _listed(client, POOLS, management, engine_name)
        except ClusterApiError as exc:
            raise EngineAway(failure_of(exc).message) from exc
        except TimeoutError as exc:
            raise EngineAway("The engine does not respond.") from exc
        machines = list(_read(items, observed_machine))
        return with_pool_machines(machines, _read(pools, observed_machine_pool))[:MAX_MACHINES]


async def _listed(
    client: ClusterClient, resource: str, management: ManagementCluster, engine_name: str
) -> list[Manifest]:
    """Return the objects of a Cluster; none if the engine does not serve the kind."""
    try:
        items, _ = await client.list_all(
            engine_path(resource, management.namespace), f"{CLUSTER_NAME}={engine_name}"
        )
    except ApiNotFound:
        return []
    return items[:MAX_MACHINES]


def _read(
    items: Iterable[Manifest], observed: Callable[[Manifest], Observed]
) -> Iterator[Observed]:
    """Yield what objects report. Malformed ones are left out."""
    for item in items:
        with contextlib.suppress(MalformedObject):
            yield observed(item)
