"""The open and idle connections to one API server."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from proxy.upstream.connection import ConnectionOwner, UpstreamConnection
from proxy.upstream.errors import UpstreamDisconnected
from proxy.upstream.host import UpstreamHost


class HostConnections(ConnectionOwner):
    """Connections to ``host``: ``open`` are all of them, ``idle`` those without a request.

    ``last_data_at`` (event loop time) is when data last came on any of them. ``on_truncated`` is
    called for each response that broke off.
    """

    def __init__(
        self,
        host: UpstreamHost,
        loop: asyncio.AbstractEventLoop,
        on_truncated: Callable[[], None],
    ) -> None:
        self.host = host
        self._loop = loop
        self._on_truncated = on_truncated
        self.idle: deque[UpstreamConnection] = deque()
        self.open: set[UpstreamConnection] = set()
        self.closed = False
        self.last_data_at = loop.time()

    def connection_released(self, connection: UpstreamConnection) -> None:
        """Keep a connection whose response is complete, or close it if it has expired.

        Busy connections would otherwise never end, and a host that came back behind a load balancer
        would get none.
        """
        self.host.record_success()
        connection.idle_since = now = self._loop.time()
        if self.closed:
            connection.abort()
        elif now >= connection.expires_at or connection.requests >= connection.max_requests:
            connection.close()
        else:
            self.idle.append(connection)

    def connection_closed(self, connection: UpstreamConnection) -> None:
        """Forget a connection that has ended."""
        self.open.discard(connection)
        try:
            self.idle.remove(connection)
        except ValueError:
            pass

    def response_truncated(self, connection: UpstreamConnection) -> None:
        """Count a response that broke off after the client had received a part of it."""
        self._on_truncated()

    def take(self) -> UpstreamConnection | None:
        """Return the idle connection used last: it is the least likely to have been closed."""
        while self.idle:
            connection = self.idle.pop()
            if connection.usable:
                return connection
        return None

    def close_idle(self, idle_since: float) -> None:
        """Close connections that have been idle since before that time."""
        while self.idle and self.idle[0].idle_since < idle_since:
            self.idle.popleft().abort()

    def close(self) -> None:
        """Close idle connections now, others when their responses are complete."""
        self.closed = True
        while self.idle:
            self.idle.popleft().abort()

    def abort(self, *, after_events: bool) -> None:
        """Close all connections now; ``after_events``: those of watches when an event ends."""
        for connection in list(self.open):
            if after_events:
                connection.end()
            else:
                connection.abort()

    def abort_unresponsive(self, *, streams: bool = False) -> None:
        """Close connections to a host that accepts no further ones; it may have frozen.

        Requests that may be sent again fail, and so do streams where ``streams``. Other requests
        wait on.
        """
        while self.idle:
            self.idle.pop().abort()
        for connection in list(self.open):
            waiting = connection.retryable and connection.deadline is not None
            if waiting or (streams and connection.streaming):
                connection.abort(UpstreamDisconnected("the API server is silent"))

    def update_last_data(self, now: float) -> None:
        """Note whether data has come since the last call. Time without a stream does not count."""
        received = False
        streaming = False
        for connection in self.open:
            received = received or connection.received_data
            streaming = streaming or connection.streaming
            connection.received_data = False
        if received or not streaming:
            self.last_data_at = now


def has_healthy_other(hosts: Sequence[UpstreamHost], host: UpstreamHost) -> bool:
    """Return whether another host than ``host`` is healthy."""
    return any(one is not host and one.healthy for one in hosts)
