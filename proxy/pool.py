"""The connections to one cluster's API servers: kept, shared out, and moved away from the sick.

A cluster has one or more masters. Requests go to them in turn; one that can't be reached, or
doesn't answer, is left alone for a while that doubles each time. When all are left alone, they are
tried anyway: the gate never refuses by itself what a master might answer.

A machine that froze still holds its connections. So a request that waits long makes the pool ask
the master for another connection; where none comes, the master is left alone, and the requests on
it that only read are sent to another. The same where nothing has come from a master for long, not
on any connection; then its streams are ended, so that their clients watch on elsewhere.
"""

import asyncio
import random
import socket
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from proxy.cluster_tls import ContextSource
from proxy.peers import keep_asking
from proxy.resumption import Resumption
from proxy.upstream import (
    UpstreamConnection,
    UpstreamError,
    UpstreamGarbled,
    UpstreamGone,
    UpstreamSlow,
)

SWEEP_SECONDS = 1.0
"""How often deadlines and idle connections are looked at, at least: the precision of both."""

EJECTION_SECONDS = (1.0, 30.0)
"""How long a failed master is left alone: at first, and at most."""


HURRY = 0.25
"""The part of ``connect_timeout`` that a master gets while another one is there to be tried."""


QUIET = 3.0
"""How many times ``connect_timeout`` a master with streams may say nothing before it is asked."""


class UpstreamUnreachable(UpstreamError):
    """No connection could be made to any master."""


class PoolExhausted(UpstreamError):
    """The cluster has as many connections as it may have."""


MAX_UNREAD = 64 * 1024
"""Bytes of TLS that may lie there undecrypted, because the client takes no more, before the kernel
has to keep them: the last read comes on top. uvloop's own limit is four times that."""


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
        host = parts.netloc.rpartition("@")[2]
        self._before = f" {parts.path.rstrip('/')}".encode("ascii")
        self._after = f" HTTP/1.1\r\nHost: {host}\r\n".encode("ascii")
        self.idle: deque[UpstreamConnection] = deque()
        self.open: set[UpstreamConnection] = set()
        self.failures = 0
        self.ejected_until = 0.0
        self.heard_at = pool.loop.time()
        self.probe: asyncio.Task[None] | None = None
        self._pool = pool
        self._resumption: Resumption | None = None

    def request_head(self, method: str, target: str, lines: bytes) -> bytes:
        """A request's head as this master is to see it."""
        return self.head_of(method.encode("ascii"), target.encode("ascii")) + lines

    def resuming(self, context: ssl.SSLContext) -> ssl.SSLContext:
        """``context``, with the last session that it had with this master."""
        if self._resumption is None or self._resumption.context is not context:
            self._resumption = Resumption(context)
        return cast(ssl.SSLContext, self._resumption)

    def forget_session(self) -> None:
        """Begin anew the next time: the master may have been replaced."""
        self._resumption = None

    def met(self, connection: UpstreamConnection) -> None:
        """The first answer on a connection has begun."""
        if self._resumption is not None and connection.transport is not None:
            self._resumption.remember(connection.transport)

    def head_of(self, method: bytes, target: bytes) -> bytes:
        """The first two lines of a request as this master is to see it."""
        return method + self._before + target + self._after

    def keep(self, connection: UpstreamConnection) -> None:
        """Take back a connection whose answer is complete: the master is well."""
        self.failures, self.ejected_until = 0, 0.0
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

    @property
    def healthy(self) -> bool:
        """Whether it isn't being left alone at the moment."""
        return self.ejected_until <= self._pool.loop.time()

    def failed(self) -> None:
        """Leave this master alone for a while. Many failures at the same time are one."""
        now = self._pool.loop.time()
        if self.ejected_until > now:
            return
        first, most = EJECTION_SECONDS
        pause = min(most, first * 2**self.failures) * random.uniform(0.8, 1.2)  # noqa: S311
        self.failures = min(self.failures + 1, 16)
        self.ejected_until = now + pause

    def truncated(self) -> None:
        """An answer of its broke off after it had begun to reach the client."""
        self._pool.on_error("truncated")

    def silent(self, *, for_long: bool = False) -> None:
        """It doesn't take connections: those it has are not believed in either.

        Reads are given up, and streams where nothing has come on any ``for_long``; writes wait on.
        """
        while self.idle:
            self.idle.pop().abort()
        for connection in list(self.open):
            waiting = connection.repeatable and connection.deadline is not None
            if waiting or (for_long and connection.streaming):
                connection.abort(UpstreamGone("the API server is silent"))

    def listen(self, now: float) -> None:
        """Take notice of what has come since the last time. Idling is no silence."""
        heard = False
        waiting = False
        for connection in self.open:
            heard = heard or connection.heard
            waiting = waiting or connection.streaming
            connection.heard = False
        if heard or not waiting:
            self.heard_at = now


class UpstreamPool:
    """Connections to a cluster's masters. Close it when the cluster goes or its servers change.

    ``on_error`` is told each failure to connect or to answer, by kind, for the metrics.
    """

    def __init__(
        self,
        servers: Sequence[str],
        context: ContextSource | None,
        *,
        server_name: str | None = None,
        limits: PoolLimits | None = None,
        on_error: Callable[[str], None] = lambda kind: None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.limits = limits or PoolLimits()
        self.closed = False
        self.on_error = on_error
        self.masters = [Master(url, self) for url in servers]
        self._context = context
        self._server_name = server_name
        self._turn = 0
        self._connecting = 0
        self._aborted = False
        self._sweep_seconds = min(SWEEP_SECONDS, self.limits.idle_ttl / 4)
        self._sweeper: asyncio.TimerHandle | None = None

    @property
    def connections(self) -> int:
        """Connections that are open or being made."""
        return self._connecting + sum(len(master.open) for master in self.masters)

    def take(self) -> UpstreamConnection | None:
        """An idle connection to the master whose turn it is, at no cost; None: connect."""
        self._turn += 1
        return self._in_turn()[0].take()

    def take_idle(self) -> UpstreamConnection | None:
        """As :meth:`take`, but where there is none, the turn is left to whoever will connect."""
        connection = self.take()
        if connection is None:
            self._turn -= 1
        return connection

    def put_back(self, connection: UpstreamConnection) -> None:
        """Take back a connection that :meth:`take` gave and nothing was sent on."""
        connection.master.idle.append(connection)

    async def connect(self, *, after_take: bool = False) -> UpstreamConnection:
        """A new connection, to the first master that can be reached.

        ``after_take``: the master that :meth:`take` has looked at is the first, for otherwise it
        would look for ever at one, and the connections would be made to the other.

        While there is another that isn't left alone, a master gets only a part of the time (HURRY):
        a frozen one must not cost every request the whole of it. Raises UpstreamUnreachable where
        none can be reached, and PoolExhausted where the limit is reached.
        """
        if self.closed:
            raise UpstreamUnreachable("it has just been changed or removed; try again")
        if self.connections >= self.limits.max_connections:
            raise PoolExhausted("too many connections to the cluster are open")
        self._turn += not after_take
        error: UpstreamError | None = None
        for master in self._in_turn():
            seconds = self.limits.connect_timeout
            if len(self.masters) > 1 and self.has_other_than(master):
                seconds *= HURRY
            try:
                return await self._connect(master, seconds)
            except UpstreamUnreachable as exc:
                error = exc
        raise error or UpstreamUnreachable("the cluster has no API server")

    def has_other_than(self, master: Master) -> bool:
        """Whether there is a further master, and one that isn't left alone."""
        now = self.loop.time()
        return any(one is not master and one.ejected_until <= now for one in self.masters)

    def heed(
        self, error: UpstreamError, connection: UpstreamConnection, *, by_sender: bool = False
    ) -> bool:
        """Take down a request's failure; whether it may be sent again, if all it does is to read.

        A connection that had been kept may have been closed just as it was used: then to any
        master, else to another one. ``by_sender``: whoever sends its body may be to blame as well.
        """
        if isinstance(error, UpstreamGarbled):
            connection.master.failed()
            return False
        if not isinstance(error, UpstreamGone):
            return False
        stale = connection.stale
        if not (stale or by_sender):
            connection.master.failed()
        return stale or self.has_other_than(connection.master)

    def request_sent(self, connection: UpstreamConnection) -> None:
        """The whole request has been sent: its answer's head must be there in time."""
        connection.request_sent(self.loop.time() + self.limits.head_timeout)

    def request_sent_for_long(self, connection: UpstreamConnection) -> None:
        """The whole request has been sent, and its answer may begin whenever it likes."""
        connection.request_sent(None)

    def close(self) -> None:
        """Close idle connections now, others when their answers are complete."""
        self.closed = True
        for master in self.masters:
            while (connection := master.take()) is not None:
                connection.abort()

    def abort(self) -> None:
        """Close every connection now."""
        self._aborted = True
        self.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for master in self.masters:
            if master.probe is not None:
                master.probe.cancel()
            for connection in list(master.open):
                connection.abort()

    def _in_turn(self) -> list[Master]:
        """Masters in the order to try: the healthy in turn, then the ejected, soonest first."""
        masters = self.masters
        if len(masters) == 1:
            return masters
        start = self._turn % len(masters)
        rotated = masters[start:] + masters[:start]
        now = self.loop.time()
        return sorted(rotated, key=lambda m: m.ejected_until if m.ejected_until > now else 0.0)

    async def _connect(self, master: Master, seconds: float) -> UpstreamConnection:
        self._connecting += 1
        try:
            async with asyncio.timeout(seconds):
                _, made = await self.loop.create_connection(
                    # An asyncio protocol in all but name: compiled classes have no such base.
                    lambda: cast(asyncio.Protocol, UpstreamConnection(self.loop, master)),
                    master.host,
                    master.port,
                    # Without a context, the two below have a master with https refused.
                    ssl=master.resuming(self._context()) if self._context and master.tls else None,
                    server_hostname=(self._server_name or master.host) if master.tls else None,
                    # What uvloop has begun for a request that is cancelled meanwhile stays until
                    # then, a minute otherwise.
                    ssl_handshake_timeout=seconds if master.tls else None,
                )
        except (OSError, TimeoutError) as exc:
            kind, message = _connect_failure(exc)
            self.on_error(kind)
            master.failed()
            if isinstance(exc, TimeoutError):
                master.silent()
            elif isinstance(exc, ssl.SSLError):
                master.forget_session()
            raise UpstreamUnreachable(message) from exc
        finally:
            self._connecting -= 1
        connection = cast(UpstreamConnection, made)
        if self._aborted:
            connection.abort()
            raise UpstreamUnreachable("it has just been changed or removed; try again")
        master.open.add(connection)
        self._begin_to_sweep()
        _tune(connection)
        return connection

    async def _probe(self, master: Master) -> None:
        """Find out whether a master that lets a request wait still takes connections."""
        try:
            connection = await self._connect(master, self.limits.connect_timeout)
        except UpstreamUnreachable:
            master.silent(for_long=self._is_quiet(master))
        else:
            master.heard_at = self.loop.time()
            connection.abort()

    def _is_quiet(self, master: Master) -> bool:
        longest = QUIET * self.limits.connect_timeout
        return self.loop.time() - master.heard_at > longest

    def _begin_to_sweep(self) -> None:
        """Look after connections, now that there is one: of many clusters most have none."""
        if self._sweeper is not None:
            return
        for master in self.masters:
            master.heard_at = self.loop.time()  # nobody has listened meanwhile
        self._sweeper = self.loop.call_later(self._sweep_seconds, self._sweep)

    def _sweep(self) -> None:
        """End what waits too long for an answer, and what has idled too long."""
        now = self.loop.time()
        idle_before = now - self.limits.idle_ttl
        for master in self.masters:
            master.listen(now)
            self._end_overdue(master, now)
            while master.idle and master.idle[0].idle_since < idle_before:
                master.idle.popleft().abort()
        self._sweeper = None
        if any(master.open for master in self.masters):
            self._sweeper = self.loop.call_later(self._sweep_seconds, self._sweep)

    def _end_overdue(self, master: Master, now: float) -> None:
        """End what waits too long at a master, and probe it where something waits long."""
        longest = self.limits.head_timeout - self.limits.connect_timeout
        suspect = False
        for connection in list(master.open):
            if connection.deadline is None:
                continue
            if connection.deadline < now:
                self.on_error("timeout")
                master.failed()
                connection.abort(UpstreamSlow("the API server didn't answer in time"))
            elif connection.deadline - now < longest:
                suspect = True
        probing = master.probe is not None and not master.probe.done()
        suspect = suspect and self.has_other_than(master)
        if not probing and (suspect or self._is_quiet(master)):
            master.probe = self.loop.create_task(self._probe(master))


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


def _tune(connection: UpstreamConnection) -> None:
    """Keep little that isn't read, and notice a peer that vanished under an idle watch: within
    about a minute, not hours.
    """
    assert connection.transport is not None
    # TLS transports have it, asyncio's as well as uvloop's; others don't read ahead.
    limit_unread = getattr(connection.transport, "set_read_buffer_limits", None)
    if limit_unread is not None:
        limit_unread(high=MAX_UNREAD)
    keep_asking(connection.transport, idle=30, interval=10, times=3)
    sock = connection.transport.get_extra_info("socket")
    if sock is not None and hasattr(socket, "TCP_NODELAY"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
