"""A tunnel after a ``101``: bytes in both directions between a client and an API server.

exec, attach, port-forward and cp use it, over SPDY/3.1 or WebSocket; the proxy does not parse the
bytes. Each direction pauses while the other side's buffer is full. A half-close is passed on if the
transport supports it (TLS does not); the other half continues until it ends or is idle for too
long. A side that breaks off (RST, lost network) breaks off the other: the bytes that it sent still
arrive, but the end must not look like a clean one.
"""

import asyncio
from typing import Any

from proxy.client.connection import ClientConnection
from proxy.transport.tcp_keepalive import PEER_CHECK_SECONDS, is_peer_closed, reset, unsent_bytes

LINGER_SECONDS = 30.0
"""Idle time of the open half of a half-closed tunnel, and time limit of a side that closes."""


BREAK_SECONDS = 1.0
"""Time limit for the bytes that a side sent before it broke off to reach the other."""

_BREAK_LOOK_SECONDS = 0.02


class UpstreamSide(asyncio.Protocol):
    """The API server's end of a tunnel."""

    __slots__ = ("_tunnel",)

    def __init__(self, tunnel: "Tunnel") -> None:
        self._tunnel = tunnel

    def data_received(self, data: bytes) -> None:
        """Forward bytes to the client."""
        self._tunnel.to_client(data)

    def eof_received(self) -> bool:
        """Handle that the API server will send nothing more."""
        return self._tunnel.upstream_half_closed()

    def connection_lost(self, exc: Exception | None) -> None:
        """Handle the end of the connection. Bytes already received still reach the client."""
        self._tunnel.upstream_lost(broken=exc is not None)

    def pause_writing(self) -> None:
        """Pause the client: the API server reads slower than the client writes."""
        self._tunnel.pause_client()

    def resume_writing(self) -> None:
        """Continue to read from the client."""
        self._tunnel.release_client()


class ClientSide:
    """The client's end of a tunnel: receives raw bytes from aiohttp after ``set_parser``."""

    __slots__ = ("_tunnel",)

    def __init__(self, tunnel: "Tunnel") -> None:
        self._tunnel = tunnel

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Forward bytes to the API server. False: the stream has not ended."""
        self._tunnel.to_upstream(data)
        return False, b""

    def feed_eof(self) -> None:
        """Handle the end of the client. Bytes already received still reach the API server."""
        self._tunnel.client_lost()


class Tunnel:
    """Two joined transports. ``up`` and ``down`` count bytes; ``done`` completes with the tunnel.

    ``note`` gives the reason of an end that was not a side's clean close.
    """

    def __init__(
        self,
        client: ClientConnection,
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
        self._client_paused = False
        self.up = self.down = 0
        self.note = ""
        self.done: asyncio.Future[None] = self._loop.create_future()
        self._watchdog = self._loop.call_later(min(idle_timeout, PEER_CHECK_SECONDS), self._check)
        # Each holds a transport with a quarter of a MiB: none may outlive its transport.
        self._deadlines: dict[asyncio.Transport, asyncio.TimerHandle] = {}

    def start(self, tail: bytes) -> None:
        """Join the two sides. ``tail`` are the bytes that the API server sent after its ``101``."""
        self._upstream.set_protocol(UpstreamSide(self))
        self._client.flow_source = self
        self._client.on_half_close = self.client_half_closed
        self._client.session = self
        if tail:
            self.to_client(tail)
        if self._client.writing_paused:
            self.pause()
        end: Any = ClientSide(self)
        self._client.set_parser(end)

    # Bytes.

    def to_client(self, data: bytes) -> None:
        """Write bytes of the API server to the client."""
        self._moved_at = self._loop.time()
        self.down += len(data)
        self._client_transport.write(data)

    def to_upstream(self, data: bytes) -> None:
        """Write bytes of the client to the API server."""
        self._moved_at = self._loop.time()
        self.up += len(data)
        self._upstream.write(data)

    # Flow control. The client connection calls ``pause`` and ``resume``.

    def pause(self) -> None:
        """Stop reading from the API server: the client's buffer is full."""
        if not self._upstream_gone:
            self._upstream.pause_reading()

    def resume(self) -> None:
        """Continue to read from the API server: the client's buffer has drained."""
        if not self._upstream_gone:
            self._upstream.resume_reading()

    def pause_client(self) -> None:
        """Stop reading from the client: the API server's buffer is full."""
        if not self._client_gone:
            self._client_paused = True
            self._client_transport.pause_reading()

    def release_client(self) -> None:
        """Continue to read from the client: the API server's buffer has drained."""
        if not self._client_gone:
            self._client_paused = False
            self._client_transport.resume_reading()

    # Ends.

    def client_half_closed(self) -> bool:
        """Handle the client's half-close. True keeps the other half open, if the transport can."""
        self._client_eof = True
        if not self._upstream_gone and self._upstream.can_write_eof():
            self._upstream.write_eof()
        return not self._both_closed() and self._client_transport.can_write_eof()

    def upstream_half_closed(self) -> bool:
        """Handle the API server's half-close. True keeps the other half open, except over TLS."""
        self._upstream_eof = True
        if not self._client_gone and self._client_transport.can_write_eof():
            self._client_transport.write_eof()
        return not self._both_closed() and self._upstream.can_write_eof()

    def _both_closed(self) -> bool:
        """Close both sides once neither will send more."""
        if not (self._client_eof and self._upstream_eof):
            return False
        if not self._upstream_gone:
            self._close(self._upstream)
        if not self._client_gone:
            self._close(self._client_transport)
        return True

    def client_lost(self) -> None:
        """Flush the client's bytes to the API server, then close: the client has left."""
        self._client_gone = True
        self._client.flow_source = None
        self._client.on_half_close = None
        self._client.session = None
        self._closed(self._client_transport)
        if self._client.broken:
            self.note = self.note or "the client broke off the session"
        if self._upstream_gone:
            self._finish()
        elif self._client.broken:
            self._break(self._upstream)
        else:
            self._close(self._upstream)

    def upstream_lost(self, *, broken: bool) -> None:
        """Flush the API server's bytes to the client, then close: the API server has left."""
        self._upstream_gone = True
        self._closed(self._upstream)
        if broken:
            self.note = self.note or "the cluster broke off the session"
        if self._client_gone:
            self._finish()
        elif broken:
            self._break(self._client_transport)
        else:
            self._close(self._client_transport)
            self._finish()

    def abort(self, note: str) -> None:
        """End both sides now, so that neither takes it for a clean end."""
        self.note = self.note or note
        reset(self._upstream)
        self._client.session = None
        reset(self._client_transport)
        self._finish()

    def _finish(self) -> None:
        self._watchdog.cancel()
        if not self.done.done():
            self.done.set_result(None)

    def _check(self) -> None:
        """End an idle tunnel: after hours, or soon if one half is closed.

        Nothing is read from a paused client, so only this check notices that it has left.
        """
        if self._client_paused and is_peer_closed(self._client_transport):
            self.abort("the client broke off the session")
            return
        still = self._loop.time() - self._moved_at
        allowed = LINGER_SECONDS if self._client_eof or self._upstream_eof else self._idle_timeout
        if still >= allowed:
            self.abort("the session was idle for too long")
            return
        wait = min(max(allowed - still, 0.1), PEER_CHECK_SECONDS)
        self._watchdog = self._loop.call_later(wait, self._check)

    def _break(self, transport: asyncio.Transport) -> None:
        """End one side with RST once it has received the other's bytes, or a second later."""
        if transport in self._deadlines:
            self._deadlines.pop(transport).cancel()
        self._reset_when_sent(transport, self._loop.time() + BREAK_SECONDS)

    def _reset_when_sent(self, transport: asyncio.Transport, until: float) -> None:
        if transport.is_closing() or not unsent_bytes(transport) or self._loop.time() >= until:
            self._deadlines.pop(transport, None)
            reset(transport)
            self._finish()
            return
        self._deadlines[transport] = self._loop.call_later(
            _BREAK_LOOK_SECONDS, self._reset_when_sent, transport, until
        )

    def _close(self, transport: asyncio.Transport) -> None:
        """Close after the buffer has been sent, but not later than LINGER_SECONDS from now."""
        transport.close()
        if transport not in self._deadlines:
            self._deadlines[transport] = self._loop.call_later(LINGER_SECONDS, transport.abort)

    def _closed(self, transport: asyncio.Transport) -> None:
        deadline = self._deadlines.pop(transport, None)
        if deadline is not None:
            deadline.cancel()
