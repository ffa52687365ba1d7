"""All tunnels by cluster, and the way to a cluster through them.

A dial tries the tunnels of this process, then those of other replicas, those on this machine first,
and last the tunnels that have been silent and may be dead. Each attempt has its share of the time,
and after it come the ways that there are by then: a new agent may have replaced a frozen one.
Tunnels that were not verified to lead to the cluster are tried only if none was.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from socket import socket

from agent.websocket.codec import CloseCode
from config.dialing import DialFailed
from management.tracing.span import child_span
from management.tunnels.agent_tunnel import AgentTunnel
from management.tunnels.announcer import Announcer
from management.tunnels.connected_agents import ConnectedAgent, connected_agent
from management.tunnels.local_tunnels import LocalTunnels
from management.tunnels.one_tunnel import OneTunnel
from management.tunnels.recent_times import RecentTimes
from management.tunnels.remote_tunnels import RemoteDialer, RemoteTunnels
from management.tunnels.suspension import Suspensions
from store.agent_records import Replica, Trust, Tunnel
from store.interfaces import Store

WAIT_SECONDS = 2.0
"""How long a dial waits for a tunnel, if one was there lately."""

LATELY_SECONDS = 30.0
"""How long ago a tunnel was there lately. A process that has just started counts as having had
one: agents of the process before it are about to return."""

DRAIN_SECONDS = 3.0
"""How long the last streams, which are other replicas', may take at the end of this process."""

_Ways = dict[str, Callable[[float], Awaitable[socket]]]
"""Dials, by the tunnel's or the replica's id, in the order in which they are tried."""


class ClusterDialer:
    """A :class:`config.dialing.Dialer`: the tunnels of one cluster."""

    __slots__ = ("_cluster_id", "_directory")

    def __init__(self, directory: "TunnelDirectory", cluster_id: str) -> None:
        self._directory = directory
        self._cluster_id = cluster_id

    @property
    def ways(self) -> int:
        """Return how many ways there are now."""
        return self._directory.ways(self._cluster_id)

    @property
    def suspended_at(self) -> float:
        """Return when a way last became silent (event loop time); 0 if none did lately."""
        return self._directory.suspended_at.get(self._cluster_id, 0.0)

    async def dial(self, seconds: float) -> socket:
        """Return a socket connected to the API server. Raises DialFailed."""
        return await self._directory.dial(self._cluster_id, seconds)


class TunnelDirectory:
    """The tunnels that this process can use. ``replica`` is this process, which stops if it drains.

    ``remote`` connects through tunnels of other replicas; without it, those are not used.
    """

    def __init__(
        self,
        store: Store,
        replica: Replica,
        *,
        remote: RemoteDialer | None = None,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self.replica = replica
        self.local = LocalTunnels()
        self.drains = False
        self.announcer = Announcer(store.tunnels, replica, self._records)
        self._remote = remote
        self._wait_seconds = wait_seconds
        self._elsewhere = RemoteTunnels(store, replica, self._remote_changed)
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._gone_at = RecentTimes(LATELY_SECONDS, self._loop.time)
        self.suspended_at = RecentTimes(LATELY_SECONDS, self._loop.time)
        self.suspensions = Suspensions(
            self.local, lambda one: bool(self._replicas(one, self._best(one))), self._suspended
        )
        self._arrived = asyncio.Event()

    def dialer(self, cluster_id: str) -> ClusterDialer:
        """Return the dialer of a cluster."""
        return ClusterDialer(self, cluster_id)

    def ways(self, cluster_id: str) -> int:
        """Return how many tunnels or replicas can be tried with a chance of success."""
        trust = self._best(cluster_id)
        responsive = self.local.responsive(cluster_id, trust)
        count = len(responsive) + len(self._replicas(cluster_id, trust))
        return count or len(self.local.silent(cluster_id, trust))

    def is_verified(self, cluster_id: str) -> bool:
        """Return whether a tunnel was verified to lead to the cluster, here or elsewhere."""
        return self._best(cluster_id) is Trust.VERIFIED

    async def dial(self, cluster_id: str, seconds: float) -> socket:
        """Return a socket connected to a cluster's API server, through any tunnel.

        Raises:
            DialFailed: no tunnel is open, or none reached the API server in time.
        """
        end = self._loop.time() + seconds
        with child_span("tunnel dial", "internal", {}):
            if self._had_one_lately(cluster_id) and not self._ways(cluster_id):
                await self._wait_for_way(cluster_id, min(self._wait_seconds, seconds))
            return await self._first(lambda: self._ways(cluster_id), end)

    async def dial_local(self, cluster_id: str, seconds: float) -> socket:
        """Return a socket as :meth:`dial` does, through a tunnel of this process only.

        For another replica that asks: a way never leads through a third one.
        """
        end = self._loop.time() + seconds
        return await self._first(lambda: self._local_ways(cluster_id), end)

    def agents(self, cluster_id: str) -> list[ConnectedAgent]:
        """Return the connected agents of a cluster, one for each tunnel, oldest first."""
        shown = [connected_agent(one.tunnel) for one in self._elsewhere.of(cluster_id)]
        for tunnel in self.local.of(cluster_id):
            connection = tunnel.connection
            record = tunnel.record(self.replica.id)
            # The control stream is not a stream of a request.
            streams = max(connection.streams - 1, 0)
            shown.append(connected_agent(record, streams, connection.round_trip))
        return sorted(shown, key=lambda one: one.since)

    def add(self, tunnel: AgentTunnel) -> None:
        """Use a tunnel from now on."""
        self.local.add(tunnel)
        if self.drains:
            tunnel.announce_end("the server stops")
        self.announcer.changed()
        self._wake()

    def judged(self, tunnel: AgentTunnel) -> None:
        """Take notice that the trust in a tunnel has changed."""
        if self.local.has(tunnel):
            self.announcer.changed()
            self._wake()

    def remove(self, tunnel: AgentTunnel) -> None:
        """Do not use a tunnel again: it has ended."""
        if self.local.remove(tunnel):
            self._went(tunnel.owner.cluster_id)
            self.announcer.changed()

    async def follow_changes(self) -> None:
        """Follow what the store says of tunnels at other replicas, until cancelled."""
        await self._elsewhere.follow_changes()

    def drain(self, reason: str) -> None:
        """Ask all agents to open tunnels elsewhere, and other replicas to use none of these."""
        self.drains = True
        self.announcer.withdraw()
        for tunnel in self.local:
            tunnel.announce_end(reason)

    async def close(self, reason: str) -> None:
        """End all tunnels, after streams of other replicas have had time to end."""
        end = self._loop.time() + DRAIN_SECONDS
        while self._loop.time() < end and self._busy():  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.05)
        for tunnel in self.local:
            tunnel.connection.close(reason, CloseCode.GOING_AWAY)
        await self.announcer.end()

    def _busy(self) -> bool:
        return any(one.connection.streams > 1 for one in self.local)

    def _records(self) -> list[Tunnel]:
        shown = [one for one in self.local if not one.suspended and one.trust is not Trust.CHECKING]
        return [one.record(self.replica.id) for one in shown]

    def _best(self, cluster_id: str) -> Trust:
        """Return the trust that a tunnel needs to be used."""
        verified = self.local.has_verified(cluster_id) or self._replicas(cluster_id, Trust.VERIFIED)
        return Trust.VERIFIED if verified else Trust.UNVERIFIED

    def _replicas(self, cluster_id: str, trust: Trust) -> list[Replica]:
        return self._elsewhere.replicas(cluster_id, trust) if self._remote is not None else []

    def _ways(self, cluster_id: str) -> _Ways:
        trust = self._best(cluster_id)
        return {
            **_through(self.local.responsive(cluster_id, trust)),
            **{one.id: self._by(one, cluster_id) for one in self._replicas(cluster_id, trust)},
            **_through(self.local.silent(cluster_id, trust)),
        }

    def _local_ways(self, cluster_id: str) -> _Ways:
        trust = self._best(cluster_id)
        responsive = self.local.responsive(cluster_id, trust)
        return _through([*responsive, *self.local.silent(cluster_id, trust)])

    def _by(self, replica: Replica, cluster_id: str) -> Callable[[float], Awaitable[socket]]:
        async def dial(seconds: float) -> socket:
            assert self._remote is not None
            return await self._remote.dial(replica, cluster_id, seconds)

        return dial

    async def _first(self, ways: Callable[[], _Ways], end: float) -> socket:
        """Return the socket of the first way that succeeds. Raises DialFailed of the last one."""
        tried: set[str] = set()
        failed = DialFailed("no_agent", "no agent of the cluster is connected")
        while left := {key: dial for key, dial in ways().items() if key not in tried}:
            # So a tunnel that is dead, which is not known yet, leaves time for the others.
            seconds = (end - self._loop.time()) / len(left)
            if seconds <= 0:
                break
            key, dial = next(iter(left.items()))
            tried.add(key)
            try:
                return await dial(seconds)
            except DialFailed as exc:
                failed = exc
        raise failed

    # When a tunnel was there, and when one comes

    def _had_one_lately(self, cluster_id: str) -> bool:
        gone_at = self._gone_at.get(cluster_id, self._started)
        return self._loop.time() - gone_at <= LATELY_SECONDS

    async def _wait_for_way(self, cluster_id: str, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not self.ways(cluster_id):
                    await self._arrived.wait()
        except TimeoutError:
            return

    def _suspended(self, cluster_id: str, suspended: bool) -> None:
        self.announcer.changed()
        if suspended:
            self.suspended_at.note(cluster_id)
        else:
            self._wake()

    def _remote_changed(self, cluster_id: str, has_some: bool, fewer: bool) -> None:
        if fewer:  # It was suspended there, or has ended.
            self.suspended_at.note(cluster_id)
        if has_some:
            self._wake()
        else:
            self._went(cluster_id)

    def _wake(self) -> None:
        self._arrived.set()
        self._arrived = asyncio.Event()

    def _went(self, cluster_id: str) -> None:
        self._gone_at.note(cluster_id)


def _through(tunnels: Iterable[AgentTunnel]) -> _Ways:
    return {one.id: OneTunnel(one).dial for one in tunnels}
