"""The connections to one cluster's API servers: kept, shared out, and moved away from the sick.

A cluster has one or more masters. Requests go to them in turn; one that can't be reached, or
doesn't answer, is left alone for a while that doubles each time. When all are left alone, they are
tried anyway: the gate never refuses by itself what a master might answer.
"""

import asyncio
import random
import socket
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from proxy.upstream import UpstreamConnection, UpstreamError, UpstreamSlow

SWEEP_SECONDS = 1.0
"""How often deadlines and idle connections are looked at: the precision of both."""

EJECTION_SECONDS = (1.0, 30.0)
"""How long a failed master is left alone: at first, and at most."""


class UpstreamUnreachable(UpstreamError):
    """No connection could be made to any master."""


class PoolExhausted(UpstreamError):
    """The cluster has as many connections as it may have."""


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Seconds, and a number of connections."""

    connect_timeout: float = 10.0
    head_timeout: float = 120.0
    idle_ttl: float = 60.0
    max_connections: int = 10_000


class Master:
    """One API server of a cluster. Its URL may have a path, which goes before every request's."""

    def __init__(self, url: str, pool: "UpstreamPool") -> None:
        parts = urlsplit(url)
        self.url = url
        self.tls = parts.scheme == "https"
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if self.tls else 80)
        self._path = parts.path.rstrip("/")
        self._host_line = f" HTTP/1.1\r\nHost: {parts.netloc.rpartition('@')[2]}\r\n"
        self.idle: deque[UpstreamConnection] = deque()
        self.open: set[UpstreamConnection] = set()
        self.failures = 0
        self.ejected_until = 0.0
        self._pool = pool

    def request_head(self, method: str, target: str, lines: bytes) -> bytes:
        """A request's head as this master is to see it."""
        return f"{method} {self._path}{target}{self._host_line}".encode("ascii") + lines

    def keep(self, connection: UpstreamConnection) -> None:
        """Take back a connection whose answer is complete."""
        self.failures = 0
        connection.idle_since = self._pool.loop.time()
        if self._pool.closed:
            connection.abort()
        else:
            self.idle.append(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        """Forget a connection that has ended."""
        self.open.discard(connection)
        try:
            self.idle.remove(connection)
        except ValueError:
            pass

    def take(self) -> UpstreamConnection | None:
        """The idle connection used last: it is the least likely to have been closed meanwhile."""
        while self.idle:
            connection = self.idle.pop()
            if connection.usable:
                return connection
        return None

    def failed(self) -> None:
        """Leave this master alone for a while."""
        first, most = EJECTION_SECONDS
        pause = min(most, first * 2**self.failures) * random.uniform(0.8, 1.2)  # noqa: S311
        self.failures = min(self.failures + 1, 16)
        self.ejected_until = self._pool.loop.time() + pause

    def recovered(self) -> None:
        """It can be reached."""
        self.failures, self.ejected_until = 0, 0.0


class UpstreamPool:
    """Connections to a cluster's masters. Close it when the cluster goes or its servers change.

    ``on_error`` is told each failure to connect or to answer, by kind, for the metrics.
    """

    def __init__(
        self,
        servers: Sequence[str],
        context: ssl.SSLContext | None,
        *,
        server_name: str | None = None,
        limits: PoolLimits | None = None,
        on_error: Callable[[str], None] = lambda kind: None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.limits = limits or PoolLimits()
        self.closed = False
        self.masters = [Master(url, self) for url in servers]
        self._context = context
        self._server_name = server_name
        self._on_error = on_error
        self._turn = 0
        self._connecting = 0
        self._sweeper = self.loop.call_later(SWEEP_SECONDS, self._sweep)

    @property
    def connections(self) -> int:
        """Connections that are open or being made."""
        return self._connecting + sum(len(master.open) for master in self.masters)

    def take(self) -> UpstreamConnection | None:
        """An idle connection to the master whose turn it is, at no cost; None: connect."""
        return self._in_turn()[0].take()

    async def connect(self) -> UpstreamConnection:
        """A new connection, to the first master that can be reached.

        Raises UpstreamUnreachable where none can, and PoolExhausted where the limit is reached.
        """
        if self.closed or self.connections >= self.limits.max_connections:
            raise PoolExhausted("too many connections to the cluster are open")
        error: UpstreamError | None = None
        for master in self._in_turn():
            try:
                return await self._connect(master)
            except UpstreamUnreachable as exc:
                error = exc
        raise error or UpstreamUnreachable("the cluster has no API server")

    def request_sent(self, connection: UpstreamConnection) -> None:
        """The whole request has been sent: its answer's head must be there in time."""
        connection.request_sent(self.loop.time() + self.limits.head_timeout)

    def close(self) -> None:
        """Close idle connections now, others when their answers are complete."""
        self.closed = True
        self._sweeper.cancel()
        for master in self.masters:
            while (connection := master.take()) is not None:
                connection.abort()

    def abort(self) -> None:
        """Close every connection now."""
        self.close()
        for master in self.masters:
            for connection in list(master.open):
                connection.abort()

    def _in_turn(self) -> list[Master]:
        """Masters in the order to try: the healthy in turn, then the ejected, soonest first."""
        masters = self.masters
        if len(masters) == 1:
            return masters
        self._turn += 1
        start = self._turn % len(masters)
        rotated = masters[start:] + masters[:start]
        now = self.loop.time()
        return sorted(rotated, key=lambda m: m.ejected_until if m.ejected_until > now else 0.0)

    async def _connect(self, master: Master) -> UpstreamConnection:
        self._connecting += 1
        try:
            async with asyncio.timeout(self.limits.connect_timeout):
                _, connection = await self.loop.create_connection(
                    lambda: UpstreamConnection(self.loop, master),
                    master.host,
                    master.port,
                    ssl=self._context if master.tls else None,
                    server_hostname=(self._server_name or master.host) if master.tls else None,
                )
        except (OSError, TimeoutError) as exc:
            kind, message = _connect_failure(exc)
            self._on_error(kind)
            master.failed()
            raise UpstreamUnreachable(message) from exc
        finally:
            self._connecting -= 1
        master.open.add(connection)
        master.recovered()
        _keep_probing(connection)
        return connection

    def _sweep(self) -> None:
        """End what waits too long for an answer, and what has idled too long."""
        now = self.loop.time()
        idle_before = now - self.limits.idle_ttl
        for master in self.masters:
            for connection in list(master.open):
                if connection.deadline is not None and connection.deadline < now:
                    self._on_error("timeout")
                    master.failed()
                    connection.abort(UpstreamSlow("the API server didn't answer in time"))
            while master.idle and master.idle[0].idle_since < idle_before:
                master.idle.popleft().abort()
        self._sweeper = self.loop.call_later(SWEEP_SECONDS, self._sweep)


def _connect_failure(exc: Exception) -> tuple[str, str]:
    """The metric's word for a failed connection, and a sentence for the client."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return "certificate", "the API server's certificate can't be verified"
    if isinstance(exc, ssl.SSLError):
        return "tls", "no TLS connection to the API server could be made"
    if isinstance(exc, TimeoutError):
        return "connect_timeout", "the API server can't be reached: the connection timed out"
    if isinstance(exc, socket.gaierror):
        return "resolve", "the API server's name can't be resolved"
    if isinstance(exc, ConnectionRefusedError):
        return "refused", "the API server can't be reached: connection refused"
    return "connect", "the API server can't be reached"


def _keep_probing(connection: UpstreamConnection) -> None:
    """Notice a peer that vanished under an idle watch: within about a minute, not hours."""
    assert connection.transport is not None
    sock = connection.transport.get_extra_info("socket")
    if sock is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    if hasattr(socket, "TCP_NODELAY"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
