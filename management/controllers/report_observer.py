"""Read a cluster's usage, deprecated APIs and newest events, and store them as its reports.

A report that cannot be read is no fault of the cluster: ``conditions`` says why, apart from the
conditions of the cluster's health.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from config.loggers import get_logger
from management.backoff import Backoff
from management.controllers.conditions import Conditions
from management.controllers.deprecated_apis import (
    MAX_APIS,
    Api,
    deprecated_api,
    is_past,
    is_removed_next,
    merged,
)
from management.controllers.timing import StatusTiming
from management.controllers.usage_report import namespace_usage, node_usage, total_usage
from management.kubernetes.client import ClusterClient
from management.kubernetes.errors import (
    ApiForbidden,
    ApiNotFound,
    ApiResponseTooLarge,
    ApiUnreachable,
    ClusterApiError,
    MemoryExhausted,
)
from management.kubernetes.validation import MalformedObject, checked_items
from store.errors import StoreError
from store.interfaces import Store
from store.records import Cluster, ClusterReport, ReportKind

FIRST_RETRY, LAST_RETRY = 2.0, 60.0
"""Seconds of the first and the longest pause before the stored state is read again."""

MAX_METRICS = 64 * 1024 * 1024
"""Bytes of an API server's metrics that are read. Large clusters have some ten megabytes."""

_METRICS = "/apis/metrics.k8s.io/v1beta1"
_REMEDY = "import the cluster again, or add it to the ClusterRole sekisho-controller"

T = TypeVar("T")

_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Source:
    """Something that is read, its condition, and what a reader must know if that fails."""

    condition: str
    right: str
    absent: str
    too_large: str
    failed: str


_NODES = _Source(
    "UsageRead",
    "list on nodes.metrics.k8s.io",
    "the cluster has no metrics-server: install it to see what is used",
    "the figures of the nodes are more than 8 MiB",
    "no response from metrics-server: if the cluster responds, look at its pods and their log",
)
_PODS = _Source(
    "NamespaceUsageRead",
    "list on pods.metrics.k8s.io",
    _NODES.absent,
    "the figures of the pods are more than 8 MiB, so those of namespaces are not known",
    _NODES.failed,
)
_DEPRECATIONS = _Source(
    "DeprecatedApisRead",
    "get on the URL /metrics",
    "an API server has no metrics",
    f"the metrics of an API server are more than {MAX_METRICS >> 20} MiB",
    "an API server did not respond with its metrics: Sekisho reads them again within an hour",
)


class ReportObserver:
    """Reads the reports of one cluster while this replica leads it. Call :meth:`run` once.

    ``events`` returns the newest events; None: not known yet. ``changed`` is called when a value of
    this object has changed. ``usage`` is what all nodes use, and None if it is not known.
    """

    def __init__(
        self,
        store: Store,
        cluster: Cluster,
        client: ClusterClient,
        *,
        events: Callable[[], list[dict[str, Any]] | None],
        is_leader: Callable[[], bool],
        changed: Callable[[], None],
        turns: asyncio.Semaphore,
        timing: StatusTiming,
        max_metrics: int = MAX_METRICS,
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._client = client
        self._events = events
        self._is_leader = is_leader
        self._changed = changed
        self._turns = turns
        self._timing = timing
        self._max_metrics = max_metrics
        self._written: dict[ReportKind, Mapping[str, Any]] = {}
        self._apis: list[Api] | None = None
        self.conditions = Conditions()
        self.usage: dict[str, str] | None = None

    async def run(self) -> None:
        """Read and store the reports until cancelled."""
        await when_readable(self._resume, self._turns, self._cluster.name)
        async with asyncio.TaskGroup() as group:
            group.create_task(every(self._timing.usage_seconds, self._read_usage))
            group.create_task(every(self._timing.events_seconds, self._write_events))
            group.create_task(self._read_deprecations_forever())

    def deprecated_apis(self, version: str) -> dict[str, int] | None:
        """Return how many deprecated APIs are in use, and how many the next minor removes."""
        if self._apis is None:
            return None
        removed = sum(is_removed_next(one, version) for one in self._apis)
        return {"total": len(self._apis), "removed_next": removed}

    async def _resume(self) -> None:
        """Continue from the stored report: an API stays in it for a day."""
        found = await self._store.fleet.report(self._cluster.id, "deprecations")
        if found is not None:
            self._apis = list(found.data.get("apis", []))

    async def _read_usage(self) -> None:
        nodes = await self._read(_NODES, self._node_usage)
        pods = await self._read(_PODS, self._namespace_usage) if nodes is not None else None
        if nodes is None:
            self.conditions.remove(_PODS.condition)
        self.usage = total_usage(nodes) if nodes is not None else None
        self._changed()
        read_at = datetime.now(UTC).isoformat(timespec="seconds") if nodes is not None else None
        await self._put("usage", {"read_at": read_at, "nodes": nodes, "namespaces": pods})

    async def _node_usage(self) -> list[dict[str, Any]]:
        return node_usage(self._items(await self._client.get(f"{_METRICS}/nodes")))

    async def _namespace_usage(self) -> list[dict[str, Any]]:
        received = await self._client.get_weighed(f"{_METRICS}/pods")
        # In a thread: thousands of pods take a while, and the proxy runs on this event loop.
        with self._client.memory.lent(received.weight):
            return await asyncio.to_thread(namespace_usage, self._items(received.body))

    def _items(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Return all metrics in a response: metrics-server has no pages."""
        items, left_out = checked_items(body)
        self._client.faults.malformed += left_out
        return items

    async def _read_deprecations_forever(self) -> None:
        timing = self._timing
        await asyncio.sleep(timing.first_deprecations_seconds * random.random())  # noqa: S311
        while True:
            await self._read_deprecations()
            await asyncio.sleep(timing.deprecations_seconds * random.uniform(0.9, 1.1))  # noqa: S311

    async def _read_deprecations(self) -> None:
        found = await self._read(_DEPRECATIONS, self._requested_deprecated)
        if found is None:
            return
        self._apis = merged(self._apis or (), found, datetime.now(UTC))
        self._changed()
        await self._put("deprecations", {"apis": self._apis})

    async def _requested_deprecated(self) -> list[Api]:
        """Return the deprecated APIs of which an API server has requests."""
        found: list[Api] = []
        for server in self._client.endpoint.servers:
            async with aclosing(self._client.lines(server, "/metrics", self._max_metrics)) as lines:
                async for line in lines:
                    one = deprecated_api(line)
                    if one is not None:
                        found.append(one)
                    if is_past(line) or len(found) >= MAX_APIS:
                        break
        return found

    async def _read(self, source: _Source, read: Callable[[], Awaitable[T]]) -> T | None:
        """Return what ``read`` returns, and set the condition. None if it fails.

        Nothing is sent while the cluster does not respond: its probe finds out when it does.
        """
        reason, message = "", ""
        try:
            if self._client.attempts.failed:
                raise ApiUnreachable("the cluster does not respond")
            found = await read()
        except ApiNotFound:
            reason, message = "NotInstalled", source.absent
        except ApiForbidden as exc:
            reason, message = "MissingRight", f"Sekisho may not {source.right}: {_REMEDY}"
            if exc.status == 401:
                reason, message = "Unauthorized", "the cluster does not accept Sekisho's token"
        except ApiResponseTooLarge:
            reason, message = "TooLarge", source.too_large
        except MemoryExhausted as exc:
            reason, message = "MemoryExhausted", str(exc)
        except (ClusterApiError, MalformedObject):
            reason, message = "NoResponse", source.failed
        else:
            self.conditions.set(source.condition, is_true=True)
            return found
        self.conditions.set(source.condition, is_true=False, reason=reason, message=message)
        self._changed()
        return None

    async def _write_events(self) -> None:
        events = self._events()
        if events is not None:
            await self._put("events", {"events": events})

    async def _put(self, kind: ReportKind, data: Mapping[str, Any]) -> None:
        """Store a report, if it differs from the stored one. A failure is logged."""
        if data == self._written.get(kind) or not self._is_leader():
            return
        report = ClusterReport(self._cluster.id, kind, data, datetime.now(UTC))
        try:
            async with self._turns:
                await self._store.fleet.put_report(report)
        except StoreError as exc:
            _LOG.warning("report not stored", cluster=self._cluster.name, kind=kind, error=str(exc))
        else:
            self._written[kind] = data


async def when_readable(
    read: Callable[[], Awaitable[None]], turns: asyncio.Semaphore, cluster_name: str
) -> None:
    """Read what is stored of a cluster in one of ``turns``; retry until the store is usable."""
    backoff = Backoff(FIRST_RETRY, LAST_RETRY)
    while True:
        try:
            async with turns:
                return await read()
        except StoreError as exc:
            _LOG.warning("status not read", cluster=cluster_name, error=str(exc))
        await asyncio.sleep(backoff.pause())


async def every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """Do the work again and again, with a pause, until cancelled."""
    while True:
        await work()
        await asyncio.sleep(seconds)
