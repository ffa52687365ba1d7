"""After a ``101``: bytes both ways between a client and an API server, until one side ends.

exec, attach, port-forward and cp run in here, over SPDY/3.1 or WebSocket; the gate doesn't look
inside. Each direction has the other's buffer for a brake. A side that closes its half is told on
where the transport can (TLS can't); the other half goes on until it ends, or nothing has moved for
a while.
"""

import asyncio
from typing import Any

from proxy.connection import GateConnection
from proxy.peers import LOOK_SECONDS, has_vanished

LINGER_SECONDS = 30.0
"""How long the open half of a half-closed pipe may be still, and a closing side may take."""


class UpstreamEnd(asyncio.Protocol):
    """The API server's end of a pipe."""

    __slots__ = ("_pipe",)

    def __init__(self, pipe: "Pipe") -> None:
        self._pipe = pipe

    def data_received(self, data: bytes) -> None:
        """Pass on to the client."""
        self._pipe.to_client(data)

    def eof_received(self) -> bool:
        """The API server will send nothing more."""
        return self._pipe.upstream_half_closed()

    def connection_lost(self, exc: Exception | None) -> None:
        """The API server is gone: what it sent still reaches the client."""
        self._pipe.upstream_lost()

    def pause_writing(self) -> None:
        """The API server reads slower than the client writes."""
        self._pipe.brake_client()

    def resume_writing(self) -> None:
        """The API server reads on."""
        self._pipe.release_client()


class ClientEnd:
    """The client's end of a pipe: what aiohttp hands raw bytes to after ``set_parser``."""

    __slots__ = ("_pipe",)

    def __init__(self, pipe: "Pipe") -> None:
        self._pipe = pipe

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Pass on to the API server. (False: never "the end".)"""
        self._pipe.to_upstream(data)
        return False, b""

    def feed_eof(self) -> None:
        """The client is gone: what it sent still reaches the API server."""
        self._pipe.client_lost()


class Pipe:
    """Two transports, joined. ``up`` and ``down`` count bytes; ``done`` ends with the pipe."""

    def __init__(
        self,
        client: GateConnection,
        client_transport: asyncio.Transport,
        upstream: asyncio.Transport,
        *,
        idle_timeout: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._client = client
        self._client_transport = client_transport
        self._upstream = upstream
        self._idle_timeout = idle_timeout
        self._moved_at = self._loop.time()
        self._client_gone = self._upstream_gone = False
        self._client_eof = self._upstream_eof = False
        self._client_braked = False
        self.up = self.down = 0
        self.timed_out = False
        self.done: asyncio.Future[None] = self._loop.create_future()
        self._watchdog = self._loop.call_later(min(idle_timeout, LOOK_SECONDS), self._check)
        # They hold transports, and those a quarter of a MiB each: none may outlive its transport.
        self._deadlines: dict[asyncio.Transport, asyncio.TimerHandle] = {}

    def start(self, tail: bytes) -> None:
        """Join the two. ``tail`` is what the API server sent right behind its ``101``."""
        self._upstream.set_protocol(UpstreamEnd(self))
        self._client.source = self
        self._client.half_closed = self.client_half_closed
        if tail:
            self.to_client(tail)
        if self._client.writing_paused:
            self.pause()
        end: Any = ClientEnd(self)
        self._client.set_parser(end)

    # Bytes.

    def to_client(self, data: bytes) -> None:
        """From the API server."""
        self._moved_at = self._loop.time()
        self.down += len(data)
        self._client_transport.write(data)

    def to_upstream(self, data: bytes) -> None:
        """From the client."""
        self._moved_at = self._loop.time()
        self.up += len(data)
        self._upstream.write(data)

    # Brakes. ``pause`` and ``resume`` are called by the client's connection.

    def pause(self) -> None:
        """The client's buffer is full: read no more from the API server."""
        if not self._upstream_gone:
            self._upstream.pause_reading()

    def resume(self) -> None:
        """The client's buffer has drained."""
        if not self._upstream_gone:
            self._upstream.resume_reading()

    def brake_client(self) -> None:
        """The API server's buffer is full: read no more from the client."""
        if not self._client_gone:
            self._client_braked = True
            self._client_transport.pause_reading()

    def release_client(self) -> None:
        """The API server's buffer has drained."""
        if not self._client_gone:
            self._client_braked = False
            self._client_transport.resume_reading()

    # Ends.

    def client_half_closed(self) -> bool:
        """The client closed its half. True keeps the other open, where the transport lets us."""
        self._client_eof = True
        if not self._upstream_gone and self._upstream.can_write_eof():
            self._upstream.write_eof()
        return not self._both_closed() and self._client_transport.can_write_eof()

    def upstream_half_closed(self) -> bool:
        """The API server closed its half. True keeps the other open, where TLS doesn't forbid."""
        self._upstream_eof = True
        if not self._client_gone and self._client_transport.can_write_eof():
            self._client_transport.write_eof()
        return not self._both_closed() and self._upstream.can_write_eof()

    def _both_closed(self) -> bool:
        """Close what is left once neither side will send any more."""
        if not (self._client_eof and self._upstream_eof):
            return False
        if not self._upstream_gone:
            self._close(self._upstream)
        if not self._client_gone:
            self._close(self._client_transport)
        return True

    def client_lost(self) -> None:
        """The client is gone: flush to the API server what it sent, then close."""
        self._client_gone = True
        self._client.source = None
        self._client.half_closed = None
        self._closed(self._client_transport)
        if self._upstream_gone:
            self._finish()
        else:
            self._close(self._upstream)

    def upstream_lost(self) -> None:
        """The API server is gone: flush to the client what it sent, then close."""
        self._upstream_gone = True
        self._closed(self._upstream)
        if not self._client_gone:
            self._close(self._client_transport)
        self._finish()

    def abort(self) -> None:
        """End both sides now."""
        self._upstream.abort()
        self._client_transport.abort()
        self._finish()

    def _finish(self) -> None:
        self._watchdog.cancel()
        if not self.done.done():
            self.done.set_result(None)

    def _check(self) -> None:
        """End a pipe in which nothing moves: after hours, or soon where one half is closed.

        A client that is braked isn't read from, so nobody else would notice that it has gone.
        """
        if self._client_braked and has_vanished(self._client_transport):
            self.abort()
            return
        still = self._loop.time() - self._moved_at
        allowed = LINGER_SECONDS if self._client_eof or self._upstream_eof else self._idle_timeout
        if still >= allowed:
            self.timed_out = True
            self.abort()
            return
        wait = min(max(allowed - still, 0.1), LOOK_SECONDS)
        self._watchdog = self._loop.call_later(wait, self._check)

    def _close(self, transport: asyncio.Transport) -> None:
        """Close after what is buffered has gone out, but not later than LINGER_SECONDS from now."""
        transport.close()
        if transport not in self._deadlines:
            self._deadlines[transport] = self._loop.call_later(LINGER_SECONDS, transport.abort)

    def _closed(self, transport: asyncio.Transport) -> None:
        deadline = self._deadlines.pop(transport, None)
        if deadline is not None:
            deadline.cancel()
