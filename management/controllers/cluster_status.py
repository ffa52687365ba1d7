"""Sees how one cluster is, for as long as this replica looks after it, and writes it down."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import structlog

from management.controllers.informer import Collection, Informer
from management.downstream.client import ClusterClient
from management.downstream.errors import DownstreamError, Missing, Refused
from management.fleet.nodes import node_data, provider_guess, totals
from management.fleet.warnings import event_data, summary
from management.quantities import format_quantity, parse_quantity
from store.fleet_records import ClusterStatus, Node
from store.interfaces import Cluster, Store, StoreError

PROBE_SECONDS = 20.0
"""How often a cluster is asked whether it is there."""

WRITE_SECONDS = 2.0
"""How often at most what is seen is written down."""

SEEN_SECONDS = 60.0
"""How often it is written down that a cluster was seen, where nothing else has changed."""

FIGURES_SECONDS = 60.0
"""How often metrics-server is asked; it gathers no oftener."""

MOST_EVENTS = 2000
"""Events kept of a cluster; more are counted and not kept."""

_LOG = structlog.get_logger("sekisho.fleet")


class Observer:
    """Run :meth:`run` once. ``rbac_error`` says what is amiss with RBAC, None: nothing."""

    def __init__(
        self,
        store: Store,
        cluster: Cluster,
        client: ClusterClient,
        *,
        rbac_error: Callable[[], str | None],
        leads: Callable[[], bool],
        full: bool,
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._client = client
        self._rbac_error = rbac_error
        self._leads = leads
        self._changed = asyncio.Event()
        self._full = full
        nodes = Collection("/api/v1/nodes", essence=_essence)
        events = Collection("/api/v1/events", fields="type!=Normal", essence=event_data)
        self._nodes = Informer(client, nodes, self._changed.set)
        self._events = Informer(client, events, self._changed.set)
        self._conditions: dict[str, dict[str, Any]] = {}
        self._version = ""
        self._figures: dict[str, Any] | None = None
        self._written: dict[str, Any] | None = None
        self._written_at = 0.0
        self._written_seen: datetime | None = None
        self._seen_at: datetime | None = None

    async def run(self) -> None:
        """See until cancelled."""
        await self._resume()
        async with asyncio.TaskGroup() as group:
            group.create_task(_every(PROBE_SECONDS, self._probe))
            group.create_task(self._write_forever())
            if self._full:
                group.create_task(_every(FIGURES_SECONDS, self._ask_figures))
                group.create_task(self._nodes.run())
                group.create_task(self._events.run())

    async def _resume(self) -> None:
        """Go on from what the replica before has written: since when each condition is so."""
        found = await self._store.fleet.status(self._cluster.id)
        if found is not None:
            self._conditions = {one["type"]: one for one in found.data.get("conditions", [])}
            self._version = str(found.data.get("version") or "")

    async def _probe(self) -> None:
        reachable = authenticated = ""
        try:
            answer = await self._client.get("/version")
            self._version = str(answer.get("gitVersion") or "")
        except Refused as exc:
            authenticated = str(exc) if exc.status == 401 else ""
        except DownstreamError as exc:
            reachable = str(exc)
        if not reachable:
            self._seen_at = datetime.now(UTC)
        self._set("Reachable", not reachable, "NoAnswer", reachable)
        if not reachable:
            self._set("Authenticated", not authenticated, "Refused", authenticated)
        rbac = self._rbac_error()
        self._set("RBACReady", rbac is None, "NotYet", rbac or "")
        self._changed.set()

    def _set(self, kind: str, well: bool, reason: str, message: str) -> None:
        """A condition, as Kubernetes' own: since when it is what it is."""
        status = "True" if well else "False"
        before = self._conditions.get(kind)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        if before is not None and before["status"] == status:
            since = before["since"]
        self._conditions[kind] = {
            "type": kind,
            "status": status,
            "reason": "" if well else reason,
            "message": "" if well else message[:300],
            "since": since,
        }

    async def _ask_figures(self) -> None:
        """What metrics-server says is used, where there is one."""
        try:
            items, _ = await self._client.list_all("/apis/metrics.k8s.io/v1beta1/nodes")
        except Missing:
            self._figures = None
        except DownstreamError:
            return
        else:
            usage = [one.get("usage") or {} for one in items]
            self._figures = {
                name: format_quantity(
                    sum((parse_quantity(one[name]) for one in usage if name in one), start=_ZERO)
                )
                for name in ("cpu", "memory")
            }
        self._changed.set()

    async def _write_forever(self) -> None:
        while True:
            try:
                async with asyncio.timeout(SEEN_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            if self._leads():
                try:
                    await self._write()
                except StoreError as exc:
                    _LOG.warning("not written down", cluster=self._cluster.name, error=str(exc))
                    self._changed.set()
            await asyncio.sleep(WRITE_SECONDS)

    async def _write(self) -> None:
        if self._nodes.synced.is_set():
            await self._write_nodes()
        data = self._data()
        now = time.monotonic()
        if data == self._written and (
            # One that is away was seen last when it was written down.
            self._seen_at == self._written_seen or now - self._written_at < SEEN_SECONDS
        ):
            return
        seen = self._seen_at or datetime.now(UTC)
        shown = data | {"last_seen_at": self._seen_at.isoformat() if self._seen_at else None}
        await self._store.fleet.put_status(ClusterStatus(self._cluster.id, shown, seen))
        self._written, self._written_at, self._written_seen = data, now, self._seen_at

    def _data(self) -> dict[str, Any]:
        nodes = [data for _, data in self._nodes.items.values()]
        events = list(self._events.items.values())[-MOST_EVENTS:]
        return {
            "version": self._version or None,
            "provider": provider_guess(self._version, nodes),
            "conditions": [self._conditions[key] for key in sorted(self._conditions)],
            "nodes": totals(nodes) if self._nodes.synced.is_set() else None,
            "usage": self._figures,
            "warnings": summary(events) if self._events.synced.is_set() else None,
        }

    async def _write_nodes(self) -> None:
        """Write down which nodes have come, changed or left."""
        now = datetime.now(UTC)
        stored = {one.uid: one for one in await self._store.fleet.nodes([self._cluster.id])}
        news = []
        live = {uid: (name, data) for (_, name), (uid, data) in self._nodes.items.items()}
        for uid, (name, data) in live.items():
            before = stored.get(uid)
            if before is None:
                news.append(Node(self._cluster.id, uid, name, data, now))
            elif before.data != data or before.left_at is not None:
                news.append(Node(self._cluster.id, uid, name, data, before.appeared_at))
        news += [
            Node(one.cluster_id, one.uid, one.name, one.data, one.appeared_at, now)
            for one in stored.values()
            if one.uid not in live and one.left_at is None
        ]
        if news:
            await self._store.fleet.put_nodes(news)


_ZERO = parse_quantity("0")


def _essence(item: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return str(item["metadata"]["uid"]), node_data(item)


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await work()
        await asyncio.sleep(seconds)
