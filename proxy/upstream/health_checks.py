"""Check connections and hosts: deadlines of responses, idle connections, frozen hosts.

A frozen machine still holds its connections. So a request that waits long makes the checks open
another connection to its host (a probe). If that fails, the host is ejected, and requests on it
that may be sent again go to another host. The same happens where no data has come from a host with
streams for long; then its streams end, too, so that their clients continue on another host.

Where a way of a cluster's dialer became silent, connections that may be on it are closed as those
to a frozen host are.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from config.dialing import Dialer
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.errors import UpstreamConnectError, UpstreamTimeout
from proxy.upstream.host import UpstreamHost
from proxy.upstream.host_connections import HostConnections, has_healthy_other
from proxy.upstream.limits import PoolLimits

SWEEP_SECONDS = 1.0
"""The longest time between two checks: the precision of deadlines and idle times."""

SILENCE_FACTOR = 3.0
"""After how many times ``connect_timeout`` without data a host with streams is probed."""

_IDLE_FRACTION = 0.25
"""The longest time between two checks, as a part of ``idle_ttl``."""


class HealthChecks:
    """Checks of one cluster's hosts. They run while there are connections.

    ``connect`` opens a connection within so many seconds, and ejects the host where it can't.
    ``on_error`` gets the kind of each failure, for the metrics.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        hosts: Sequence[HostConnections],
        limits: PoolLimits,
        connect: Callable[[HostConnections, float], Awaitable[UpstreamConnection]],
        on_error: Callable[[str], None],
        *,
        dialer: Dialer | None = None,
        sweep_seconds: float = SWEEP_SECONDS,
    ) -> None:
        self._loop = loop
        self._hosts = hosts
        self._all_hosts = [one.host for one in hosts]
        self._limits = limits
        self._connect = connect
        self._on_error = on_error
        self._dialer = dialer
        self._suspended_at = 0.0
        self._interval = min(sweep_seconds, limits.idle_ttl * _IDLE_FRACTION)
        self._timer: asyncio.TimerHandle | None = None
        self._probes: dict[UpstreamHost, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Run the checks while connections are open: most of many clusters have none."""
        if self._timer is not None:
            return
        now = self._loop.time()
        for connections in self._hosts:
            connections.last_data_at = now  # Nothing was measured meanwhile.
        self._timer = self._loop.call_later(self._interval, self._sweep)

    def stop(self) -> None:
        """Stop the checks and their probes."""
        if self._timer is not None:
            self._timer.cancel()
        for probe in self._probes.values():
            probe.cancel()

    def _sweep(self) -> None:
        """Run all checks once."""
        now = self._loop.time()
        self._check_ways()
        for connections in self._hosts:
            connections.update_last_data(now)
            self._check_deadlines(connections, now)
            connections.close_idle(now - self._limits.idle_ttl)
        self._timer = None
        if any(connections.open for connections in self._hosts):
            self._timer = self._loop.call_later(self._interval, self._sweep)

    def _check_ways(self) -> None:
        """Close connections that may be on a way which became silent since the last check."""
        if self._dialer is None or self._dialer.suspended_at <= self._suspended_at:
            return
        self._suspended_at = self._dialer.suspended_at
        for connections in self._hosts:
            connections.abort_unresponsive()

    def _check_deadlines(self, connections: HostConnections, now: float) -> None:
        """Fail requests whose response is overdue, and probe a host where one waits long."""
        host = connections.host
        longest = self._limits.header_timeout - self._limits.connect_timeout
        suspect = False
        for connection in list(connections.open):
            if connection.deadline is None:
                continue
            if connection.deadline < now:
                self._on_error("timeout")
                host.record_failure()
                connection.abort(UpstreamTimeout("the API server didn't answer in time"))
            elif connection.deadline - now < longest:
                suspect = True
        suspect = suspect and has_healthy_other(self._all_hosts, host)
        if (suspect or self._is_silent(connections)) and host not in self._probes:
            probe = self._loop.create_task(self._probe(connections))
            self._probes[host] = probe
            probe.add_done_callback(lambda _: self._probes.pop(host, None))

    async def _probe(self, connections: HostConnections) -> None:
        """Check whether a host accepts connections."""
        try:
            connection = await self._connect(connections, self._limits.connect_timeout)
        except UpstreamConnectError:
            connections.abort_unresponsive(streams=self._is_silent(connections))
        else:
            connections.last_data_at = self._loop.time()
            connection.abort()

    def _is_silent(self, connections: HostConnections) -> bool:
        longest = SILENCE_FACTOR * self._limits.connect_timeout
        return self._loop.time() - connections.last_data_at > longest
