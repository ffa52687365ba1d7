"""What the namespaces of a project use of their quotas, as the cluster counts it.

The cluster keeps the count in the status of each ResourceQuota. It is read on request, because it
changes with every pod. Requests at the same time share one read, and a result is used again for
:data:`CACHE_SECONDS`, so that any number of viewers costs the cluster one list at a time.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice

from management.desired_state.namespace_objects import NAME
from management.errors import ClusterOperationFailed, InvalidRequest
from management.kubernetes.cluster_client import controller_client
from management.kubernetes.errors import ClusterApiError
from management.kubernetes.manifests import SELECTOR, Manifest, collection_path
from management.kubernetes.quantity import parse_quantity
from management.kubernetes.validation import mapping, text
from store.records import Cluster

CACHE_SECONDS = 5.0
"""How long a cluster's usage is used again."""

READ_SECONDS = 10.0
"""The time limit for reading a cluster's quotas."""

MAX_NAMESPACES, MAX_RESOURCES = 10_000, 64
"""Namespaces of a cluster, and resources of a namespace, that are kept: a cluster chooses both."""

MAX_CACHED = 256
"""Clusters whose usage is cached. The one that was read first is dropped."""

Amounts = dict[str, str]


@dataclass(frozen=True, slots=True)
class Usage:
    """The hard limits and the use of a namespace, as Kubernetes quantities by resource."""

    hard: Amounts = field(default_factory=dict)
    used: Amounts = field(default_factory=dict)


class QuotaUsage:
    """Reads the usage of clusters. ``clock`` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._reads: dict[str, tuple[float, asyncio.Task[Mapping[str, Usage]]]] = {}

    async def of_cluster(self, cluster: Cluster) -> Mapping[str, Usage]:
        """Return the usage of each namespace of a project in ``cluster``, by name.

        Raises:
            ClusterOperationFailed: the cluster does not respond, or cannot be read.
        """
        known = self._reads.get(cluster.id)
        if known is None or self._is_over(*known):
            # A new task: a client that leaves must not cancel the read of the others.
            known = self._clock(), asyncio.ensure_future(_read(cluster))
            known[1].add_done_callback(_mark_retrieved)
            self._reads.pop(cluster.id, None)
            self._reads[cluster.id] = known
            if len(self._reads) > MAX_CACHED:
                del self._reads[next(iter(self._reads))]
        return await asyncio.shield(known[1])

    async def close(self) -> None:
        """Cancel all reads."""
        reads = [read for _, read in self._reads.values()]
        self._reads.clear()
        for one in reads:
            one.cancel()
        await asyncio.gather(*reads, return_exceptions=True)

    def _is_over(self, since: float, read: asyncio.Task[Mapping[str, Usage]]) -> bool:
        if not read.done():
            return read.get_loop() is not asyncio.get_running_loop()
        return self._clock() - since >= CACHE_SECONDS


def _mark_retrieved(read: asyncio.Task[Mapping[str, Usage]]) -> None:
    """Prevent a log line about an exception that no client was left to receive."""
    if not read.cancelled():
        read.exception()


async def _read(cluster: Cluster) -> Mapping[str, Usage]:
    try:
        async with asyncio.timeout(READ_SECONDS), controller_client(cluster) as client:
            found, _ = await client.list_all(collection_path("ResourceQuota", None), SELECTOR)
    except (ClusterApiError, InvalidRequest, TimeoutError) as exc:
        raise ClusterOperationFailed(str(exc) or "the cluster does not respond") from exc
    return usage_by_namespace(found)


def usage_by_namespace(quotas: Iterable[Manifest]) -> dict[str, Usage]:
    """Return the usage in the status of Sekisho's quotas. Invalid amounts are left out."""
    found: dict[str, Usage] = {}
    for one in islice(quotas, MAX_NAMESPACES):
        metadata, status = mapping(one.get("metadata")), mapping(one.get("status"))
        namespace = text(metadata.get("namespace"), 63)
        if metadata.get("name") == NAME and namespace:
            hard, used = mapping(status.get("hard")), mapping(status.get("used"))
            found[namespace] = Usage(_amounts(hard), _amounts(used))
    return found


def total(amounts: Iterable[Mapping[str, str]]) -> dict[str, Decimal]:
    """Return the sum of amounts, by resource."""
    result: dict[str, Decimal] = defaultdict(Decimal)
    for one in amounts:
        for resource, value in one.items():
            result[resource] += parse_quantity(value)
    return dict(result)


def _amounts(values: Mapping[str, object]) -> Amounts:
    found = {}
    for resource, value in islice(values.items(), MAX_RESOURCES):
        shown = text(value, 64)
        if shown and len(resource) <= 253 and _is_quantity(shown):
            found[resource] = shown
    return found


def _is_quantity(value: str) -> bool:
    try:
        parse_quantity(value)
    except ValueError:
        return False
    return True
