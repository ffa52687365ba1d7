"""Connection pool for the API servers of one cluster, with failover.

A cluster has one or more hosts. Requests go to them in turn. A host that can't be reached, or does
not answer, is ejected for a time that doubles with each failure. When all are ejected, they are
tried anyway: the proxy never refuses by itself what a host might serve.
:mod:`proxy.upstream.health_checks` detects hosts that freeze.
"""

import asyncio
import math
import random
from collections.abc import Callable, Sequence

from config.address_policy import ANY_ADDRESS, AddressPolicy
from config.dialing import Dialer
from proxy.transport.client_tls import ContextSource
from proxy.upstream.addresses import Resolve, resolve
from proxy.upstream.connect import SILENT, Connector
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.errors import (
    PoolExhausted,
    UpstreamConnectError,
    UpstreamDisconnected,
    UpstreamError,
    UpstreamProtocolError,
)
from proxy.upstream.health_checks import SWEEP_SECONDS, HealthChecks
from proxy.upstream.host import UpstreamHost
from proxy.upstream.host_connections import HostConnections, has_healthy_other
from proxy.upstream.limits import PoolLimits
from proxy.upstream.outage import Outage

FAILOVER_CONNECT_FRACTION = 0.25
"""The part of ``connect_timeout`` that a host gets while another healthy one can be tried."""

AGE_SPREAD = 0.2
"""How far a connection's maximum age and number of requests may be from the configured ones, so
that connections that were opened together do not end together."""

TRIES_BY_DIALER = 5
"""How often a read is sent if the ways of a dialer break one after the other. An agent's cluster
has four tunnels: two of each of two pods."""

_CHANGED = "it has just been changed or removed; try again"


class ConnectionPool:
    """Connections to a cluster's hosts. Close it when the cluster is removed or its servers change.

    ``on_error`` gets the kind of each failure to connect or to answer, for the metrics.
    ``addresses`` decides on the address of each connection; None allows every address. ``dialer``
    makes the connections of a cluster that is reached by its agent. ``tries`` is how often a
    request that only reads may be sent.
    """

    def __init__(
        self,
        servers: Sequence[str],
        context: ContextSource | None,
        *,
        server_name: str | None = None,
        limits: PoolLimits | None = None,
        on_error: Callable[[str], None] = lambda kind: None,
        addresses: AddressPolicy | None = None,
        dialer: Dialer | None = None,
        sweep_seconds: float = SWEEP_SECONDS,
        resolver: Resolve = resolve,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.limits = limits or PoolLimits()
        self.closed = False
        self.hosts = [UpstreamHost(url, self.loop.time) for url in servers]
        self.host_connections = [
            HostConnections(host, self.loop, self._count_truncated) for host in self.hosts
        ]
        self.tries = len(self.hosts) + 1 if dialer is None else TRIES_BY_DIALER
        self._on_error = on_error
        self._dialer = dialer
        self._connector = Connector(
            self.loop, context, server_name, addresses or ANY_ADDRESS, resolver, dialer
        )
        self._health = HealthChecks(
            self.loop,
            self.host_connections,
            self.limits,
            self._connect,
            on_error,
            dialer=dialer,
            sweep_seconds=sweep_seconds,
        )
        self._outage = Outage(self.loop.time, forgotten=math.inf)
        self._turn = 0
        self._connecting = 0
        self._aborted = False

    @property
    def connections(self) -> int:
        """Connections that are open or being opened."""
        return self._connecting + sum(len(one.open) for one in self.host_connections)

    def take(self) -> UpstreamConnection | None:
        """Return an idle connection to the next host; None where it has none."""
        self._turn += 1
        return self._in_turn()[0].take()

    def take_idle(self) -> UpstreamConnection | None:
        """Return what :meth:`take` returns; None does not use up the host's turn."""
        connection = self.take()
        if connection is None:
            self._turn -= 1
        return connection

    def put_back(self, connection: UpstreamConnection) -> None:
        """Take back a connection that was not used after :meth:`take`."""
        self._connections_to(connection.host).idle.append(connection)

    def remove(self, connection: UpstreamConnection) -> None:
        """Forget a connection that is a tunnel now, or that must not be used again."""
        self._connections_to(connection.host).connection_closed(connection)

    async def connect(self, *, after_take: bool = False) -> UpstreamConnection:
        """Return a new connection, to the first host that can be reached.

        ``after_take``: begin with the host at which :meth:`take` found no connection. Otherwise
        ``take`` would look at one host each time, and the connections would go to the other.

        While another host is healthy, a host gets only a part of the connect timeout
        (:data:`FAILOVER_CONNECT_FRACTION`), so that a frozen host does not delay each request by
        all of it. Raises UpstreamConnectError where no host can be reached, and PoolExhausted where
        the connection limit is reached.
        """
        if self.closed:
            raise UpstreamConnectError(_CHANGED, retry_after=1)
        if self.connections >= self.limits.max_connections:
            raise PoolExhausted("too many connections to the cluster are open")
        self._turn += not after_take
        error: UpstreamConnectError | None = None
        for connections in self._in_turn():
            seconds = self.limits.connect_timeout
            if len(self.hosts) > 1 and has_healthy_other(self.hosts, connections.host):
                seconds *= FAILOVER_CONNECT_FRACTION
            try:
                connection = await self._connect(connections, seconds)
            except UpstreamConnectError as exc:
                error = exc
            else:
                self._outage.record_success()
                return connection
        error = error or UpstreamConnectError("the cluster has no API server")
        error.retry_after = error.retry_after or self._outage.record_failure()
        raise error

    def report_failure(self, error: UpstreamError, connection: UpstreamConnection) -> bool:
        """Record the failure of a request; return whether to send it again.

        Only a retryable request is sent again, and only if the connection broke: a reused one may
        have been closed by the API server just before, so any host will do; else another healthy
        host is needed, or a way of the dialer that did not break. A host is not ejected because a
        request with a body failed: the client may have caused that.
        """
        if isinstance(error, UpstreamProtocolError):
            connection.host.record_failure()
            return False
        if not isinstance(error, UpstreamDisconnected):
            return False
        stale = connection.stale
        if not (stale or connection.has_body):
            connection.host.record_failure()
        return connection.retryable and (
            stale
            or has_healthy_other(self.hosts, connection.host)
            or (self._dialer is not None and self._dialer.ways > 0)
        )

    def close(self) -> None:
        """Close idle connections now, others when their responses are complete."""
        self.closed = True
        for connections in self.host_connections:
            connections.close()

    def abort(self, *, after_events: bool = False) -> None:
        """Close all connections now; ``after_events``: those of watches when an event ends."""
        self._aborted = True
        self.close()
        self._health.stop()
        for connections in self.host_connections:
            connections.abort(after_events=after_events)

    def _in_turn(self) -> list[HostConnections]:
        """Return hosts in the order to try: healthy ones in turn, then ejected, soonest first."""
        hosts = self.host_connections
        if len(hosts) == 1:
            return hosts
        start = self._turn % len(hosts)
        rotated = hosts[start:] + hosts[:start]
        now = self.loop.time()
        return sorted(
            rotated,
            key=lambda one: one.host.ejected_until if one.host.ejected_until > now else 0.0,
        )

    def _connections_to(self, host: UpstreamHost) -> HostConnections:
        return self.host_connections[self.hosts.index(host)]

    async def _connect(self, connections: HostConnections, seconds: float) -> UpstreamConnection:
        self._connecting += 1
        try:
            connection = await self._connector.connect(connections.host, connections, seconds)
        except UpstreamConnectError as exc:
            self._on_error(exc.kind)
            connections.host.record_failure()
            if exc.kind in SILENT:
                connections.abort_unresponsive()
            raise
        finally:
            self._connecting -= 1
        if self._aborted:
            connection.abort()
            raise UpstreamConnectError(_CHANGED, retry_after=1)
        self._limit_age(connection)
        if connection.transport is not None:  # It may have been closed meanwhile.
            connections.open.add(connection)
        self._health.start()
        return connection

    def _limit_age(self, connection: UpstreamConnection) -> None:
        spread = random.uniform(1 - AGE_SPREAD, 1 + AGE_SPREAD)  # noqa: S311
        connection.expires_at = self.loop.time() + self.limits.max_age * spread
        if self.limits.max_requests:
            connection.max_requests = max(1, int(self.limits.max_requests * spread))

    def _count_truncated(self) -> None:
        self._on_error("truncated")
