"""Observe the health, nodes and events of one cluster, and store them as its status."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from config.loggers import get_logger
from management.backoff import Backoff
from management.controllers.agent_condition import OUTDATED
from management.controllers.conditions import Conditions
from management.controllers.event_summary import (
    MAX_EVENTS,
    MAX_REPORTED,
    event_data,
    newest_events,
    newness,
    summary,
)
from management.controllers.informer import Collection, Informer
from management.controllers.node_summary import node_data, provider_guess, totals
from management.controllers.report_observer import ReportObserver, when_readable
from management.controllers.timing import STORE_TURNS, StatusTiming
from management.kubernetes.client import ClusterClient
from management.kubernetes.errors import ApiAgentUnavailable, ApiForbidden, ClusterApiError
from management.kubernetes.serving_certificates import Validity
from management.kubernetes.validation import text, uid_of
from store.errors import StoreError
from store.interfaces import Store
from store.records import Cluster, ClusterStatus, Node

HELD = "HeldAfterRestore"
"""The reason of the condition ``RBACReady`` until a restored database was accepted."""

MEMORY_EXHAUSTED = "MemoryExhausted"
"""The reason of the condition ``CollectionsSynced`` if Sekisho has no memory for more objects."""

_LOG = get_logger(__name__)


class ClusterStatusObserver:
    """Observes one cluster while this replica leads it. Call :meth:`run` once.

    ``rbac_error`` returns why RBAC is not in sync, or None. ``full``: observe nodes, events and
    usage as well, for which the credential needs the controller's rights. ``normal_events``: also
    events that are no warnings. ``collections`` returns the informers of the reconciler.
    ``turns`` are shared with the observers of other clusters, for uses of the store.
    ``agent_problem`` returns the reason and the message of the condition ``AgentReady``, or None;
    without it, the cluster has no agent. ``dropped`` is why no object is kept, or None.
    """

    def __init__(
        self,
        store: Store,
        cluster: Cluster,
        client: ClusterClient,
        *,
        rbac_error: Callable[[], str | None],
        is_leader: Callable[[], bool],
        full: bool,
        turns: asyncio.Semaphore | None = None,
        normal_events: bool = False,
        collections: Callable[[], Iterable[Informer]] = tuple,
        agent_problem: Callable[[], tuple[str, str] | None] | None = None,
        dropped: str | None = None,
        timing: StatusTiming | None = None,
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._client = client
        self._rbac_error = rbac_error
        self._is_leader = is_leader
        self._turns = turns or asyncio.Semaphore(STORE_TURNS)
        self._agent_problem = agent_problem
        self._timing = timing or StatusTiming()
        self._changed = asyncio.Event()
        self._full = full
        self._dropped = dropped
        self._nodes = self._informer(Collection("/api/v1/nodes", projection=_projection))
        self._events = self._informer(_events("type!=Normal", MAX_EVENTS))
        normal = self._informer(_events("type=Normal", MAX_REPORTED))
        self._normal_events = [normal] if normal_events else []
        self._reports = ReportObserver(
            store,
            cluster,
            client,
            events=self._newest_events,
            is_leader=is_leader,
            changed=self._changed.set,
            turns=self._turns,
            timing=self._timing,
        )
        self._others = collections
        self._conditions = Conditions()
        self._certificate: Validity | None = None
        self._version = ""
        self._written: dict[str, Any] | None = None
        self._written_at = 0.0
        self._written_seen: datetime | None = None
        self._seen_at: datetime | None = None

    async def run(self) -> None:
        """Observe the cluster until cancelled."""
        await when_readable(self._resume, self._turns, self._cluster.name)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._probe_forever())
            group.create_task(self._write_forever())
            if self._full:
                group.create_task(self._reports.run())
                for one in (self._nodes, self._events, *self._normal_events):
                    group.create_task(one.run())

    async def _resume(self) -> None:
        """Continue from the stored status: since when each condition has its value."""
        found = await self._store.fleet.status(self._cluster.id)
        if found is not None:
            self._conditions.resume(found.data.get("conditions", []))
            self._reports.conditions.resume(found.data.get("reports") or [])
            self._version = str(found.data.get("version") or "")
            self._certificate = Validity.read(found.data.get("certificate"))
        if self._agent_problem is None:
            self._conditions.remove("AgentReady")  # It was reached by an agent before.

    async def _probe_forever(self) -> None:
        """Probe at an interval, and less often while the cluster does not respond."""
        timing = self._timing
        backoff = Backoff(timing.probe_seconds, timing.longest_probe_seconds)
        while True:
            await self._probe()
            if self._client.attempts.failed:
                await self._client.attempts.until_usable(backoff.pause())
            else:
                backoff.reset()
                await asyncio.sleep(timing.probe_seconds)

    async def _probe(self) -> None:
        unreachable = unauthorized = ""
        reason = "NoResponse"
        agent = self._set_agent()
        try:
            version = await self._client.get("/version")
            self._version = text(version.get("gitVersion"), 100) or ""
        except ApiForbidden as exc:
            unauthorized = str(exc) if exc.status == 401 else ""
        except ApiAgentUnavailable as exc:
            is_outdated = agent == OUTDATED and exc.kind != "no_agent"
            unreachable, reason = str(exc), OUTDATED if is_outdated else exc.reason
        except ClusterApiError as exc:
            unreachable = str(exc)
        if not unreachable:
            self._seen_at = datetime.now(UTC)
            self._certificate = self._client.certificates.first_to_end or self._certificate
        self._conditions.set("Reachable", not unreachable, reason, unreachable)
        if not unreachable:
            self._conditions.set("Authenticated", not unauthorized, "Unauthorized", unauthorized)
        rbac = self._rbac_error()
        reason = HELD if self._cluster.held_since is not None else "NotReconciled"
        self._conditions.set("RBACReady", rbac is None, reason, rbac or "")
        self._changed.set()

    def _set_agent(self) -> str:
        """Set the condition: the agents are verified, and as new as this server.

        Return the reason if they are not.
        """
        if self._agent_problem is None:
            return ""
        reason, message = self._agent_problem() or ("", "")
        self._conditions.set("AgentReady", not reason, reason, message)
        return reason

    def _set_synced(self) -> None:
        """Set the condition: every collection kept in memory is complete and up to date."""
        kept = [self._nodes, self._events, *self._normal_events, *self._others()]
        kept.sort(key=lambda one: not one.out_of_memory)
        failed = next(
            (
                f"{one.path}: {one.error or 'not listed yet'}"
                for one in kept
                if one.error or not one.synced.is_set()
            ),
            None,
        )
        left_out = next(
            (
                f"{one.path}: {one.malformed} objects are malformed and were left out"
                for one in kept
                if one.malformed
            ),
            None,
        )
        reason = "NotListed" if failed else "MalformedObjects"
        reason = MEMORY_EXHAUSTED if kept[0].out_of_memory else reason
        problem = failed or left_out
        self._conditions.set("CollectionsSynced", problem is None, reason, problem or "")

    def _informer(self, collection: Collection) -> Informer:
        return Informer(self._client, collection, self._changed.set, self._timing.informer)

    def _newest_events(self) -> list[dict[str, Any]] | None:
        """Return the newest warnings, and then the newest other events if they are observed."""
        informers = [self._events, *self._normal_events]
        if not all(one.synced.is_set() for one in informers):
            return None
        return [event for one in informers for event in newest_events(one.items, MAX_REPORTED)]

    async def _write_forever(self) -> None:
        timing = self._timing
        backoff = Backoff(timing.write_seconds, timing.longest_write_pause)
        while True:
            pause = timing.write_seconds
            try:
                async with asyncio.timeout(timing.seen_seconds):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            if self._is_leader():
                try:
                    async with self._turns:
                        await self._write()
                except StoreError as exc:
                    _LOG.warning("status update failed", cluster=self._cluster.name, error=str(exc))
                    self._changed.set()
                    pause = backoff.pause()
                else:
                    backoff.reset()
            await asyncio.sleep(pause)

    async def _write(self) -> None:
        if self._nodes.synced.is_set():
            await self._write_nodes()
        if self._dropped is not None:
            self._conditions.set("CollectionsSynced", False, MEMORY_EXHAUSTED, self._dropped)
        elif self._full:
            self._set_synced()
        data = self._data()
        now = time.monotonic()
        if data == self._written and (
            # The last response of an unreachable cluster is stored already.
            self._seen_at == self._written_seen
            or now - self._written_at < self._timing.seen_seconds
        ):
            return
        seen = self._seen_at or datetime.now(UTC)
        shown = data | {"last_seen_at": self._seen_at.isoformat() if self._seen_at else None}
        await self._store.fleet.put_status(ClusterStatus(self._cluster.id, shown, seen))
        self._written, self._written_at, self._written_seen = data, now, self._seen_at

    @property
    def latest(self) -> Mapping[str, Any] | None:
        """Return the status that was stored last; None: none yet."""
        return self._written

    def _data(self) -> dict[str, Any]:
        nodes = [data for _, data in self._nodes.items.values()]
        events = self._events.items.values()
        return {
            "version": self._version or None,
            "provider": provider_guess(self._version, nodes),
            "conditions": self._conditions.shown(),
            "nodes": totals(nodes) if self._nodes.synced.is_set() else None,
            "usage": self._reports.usage,
            "warnings": summary(events) if self._events.synced.is_set() else None,
            "reports": self._reports.conditions.shown(),
            "deprecated_apis": self._reports.deprecated_apis(self._version),
            "certificate": self._certificate.shown() if self._certificate else None,
        }

    async def _write_nodes(self) -> None:
        """Store nodes that appeared, changed or left."""
        now = datetime.now(UTC)
        stored = {one.uid: one for one in await self._store.fleet.nodes([self._cluster.id])}
        changed = []
        live = {uid: (name, data) for (_, name), (uid, data) in self._nodes.items.items()}
        for uid, (name, data) in live.items():
            before = stored.get(uid)
            if before is None:
                changed.append(Node(self._cluster.id, uid, name, data, now))
            elif before.data != data or before.left_at is not None:
                changed.append(Node(self._cluster.id, uid, name, data, before.appeared_at))
        changed += [
            Node(one.cluster_id, one.uid, one.name, one.data, one.appeared_at, now)
            for one in stored.values()
            if one.uid not in live and one.left_at is None
        ]
        if changed:
            await self._store.fleet.put_nodes(changed)


def _projection(item: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return uid_of(item), node_data(item)


def _events(fields: str, most: int) -> Collection:
    """Return the newest events that a field selector selects."""
    return Collection(
        "/api/v1/events", fields=fields, projection=event_data, max_items=most, rank=newness
    )
