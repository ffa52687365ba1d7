"""The tunnels at other replicas, as the store says. Kept in memory, so that it may be away."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from socket import socket
from typing import Protocol

from config.loggers import get_logger
from management.backoff import Backoff
from store.agent_records import Replica, Trust, TunnelAt
from store.errors import StoreError
from store.interfaces import Store
from store.records import Change

POLL_SECONDS = 10.0
"""How often known tunnels are read again: the end of a replica that died is not announced if no
other replica has tunnels."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 5.0
"""Pauses before a failed read is repeated."""

_LOG = get_logger(__name__)


class RemoteDialer(Protocol):
    """Connects to clusters through tunnels of other replicas."""

    async def dial(self, replica: Replica, cluster_id: str, seconds: float) -> socket:
        """Return a socket connected to the API server, as :class:`config.dialing.Dialer` does.

        Raises:
            DialFailed: the replica is away, has no tunnel of the cluster, or its agent failed.
        """


class RemoteTunnels:
    """Known tunnels of other replicas.

    ``changed`` is called with a cluster, whether it has any, and whether one is no longer there.
    """

    def __init__(
        self, store: Store, replica: Replica, changed: Callable[[str, bool, bool], None]
    ) -> None:
        self._store = store
        self._replica = replica
        self._changed = changed
        self._known: dict[str, tuple[TunnelAt, ...]] = {}

    def of(self, cluster_id: str) -> Sequence[TunnelAt]:
        """Return the tunnels of a cluster at other replicas."""
        return self._known.get(cluster_id, ())

    def replicas(self, cluster_id: str, trust: Trust) -> list[Replica]:
        """Return other replicas with such a tunnel of a cluster, those on this machine first."""
        some = [one for one in self.of(cluster_id) if one.tunnel.trust is trust]
        found = {one.replica.id: one.replica for one in some}
        return sorted(found.values(), key=lambda one: one.machine != self._replica.machine)

    async def follow_changes(self) -> None:
        """Read what the store announces, until cancelled."""
        async with self._store.changes.subscribe() as changes:
            backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
            stale: set[str | None] = {None}
            while True:
                try:
                    await self._refresh(stale)
                except StoreError as exc:
                    _LOG.warning("tunnels of other replicas not read", error=str(exc))
                    await asyncio.sleep(backoff.pause())
                else:
                    backoff.reset()
                    stale.clear()
                    stale |= await self._next(changes)

    async def _next(self, changes: AsyncIterator[Change]) -> set[str | None]:
        """Wait for a change. Return the clusters to read; None among them means all."""
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                change = await anext(changes)
                if change.kind in {"tunnels", "cluster", "all"}:
                    return {change.key}
                return set()
        return {None} if self._known else set()

    async def _refresh(self, stale: set[str | None]) -> None:
        """Read the tunnels of clusters. Raises StoreError."""
        if None in stale:
            by_cluster: dict[str, list[TunnelAt]] = {one: [] for one in self._known}
            for one in await self._store.tunnels.all():
                by_cluster.setdefault(one.tunnel.cluster_id, []).append(one)
            for cluster_id, found in by_cluster.items():
                self._set(cluster_id, found)
            return
        for named in stale:
            assert named is not None
            self._set(named, await self._store.tunnels.of_cluster(named))

    def _set(self, cluster_id: str, found: Sequence[TunnelAt]) -> None:
        elsewhere = tuple(one for one in found if one.replica.id != self._replica.id)
        before = self._known.pop(cluster_id, ())
        if elsewhere:
            self._known[cluster_id] = elsewhere
        if elsewhere != before:
            ended = {one.tunnel.id for one in before} - {one.tunnel.id for one in elsewhere}
            self._changed(cluster_id, bool(elsewhere), bool(ended))
