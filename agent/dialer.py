"""Connect to an API server through a tunnel: the server's half of a stream.

The result is a connected socket. TLS, the connection pool, and upgrades use it like any other
socket, and need not know of the tunnel.
"""

import asyncio
import socket

from agent.tunnel.connection import TunnelConnection
from agent.tunnel.status import Status, StatusReader, StreamRefusedError
from agent.tunnel.stream_end import StreamEnd
from agent.yamux.session import CannotOpenError


class _DialedStream(StreamEnd):
    """A stream of which the status is read first."""

    def __init__(self, tunnel: TunnelConnection) -> None:
        super().__init__(tunnel, half_close=False)
        self._status = StatusReader()
        self.connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def stream_data(self, data: bytes) -> None:
        """Read the status, and pass the rest on."""
        rest = data if self._status.status is Status.CONNECTED else self._status.read(data)
        if len(rest) < len(data):
            self._tunnel.consume(self._stream_id, len(data) - len(rest))
        if self._status.status is Status.CONNECTED and not self.connected.done():
            self.connected.set_result(None)
        if rest:
            super().stream_data(rest)

    def stream_finished(self) -> None:
        """Fail if the stream ends before it was connected."""
        self._fail(self._status.error)
        super().stream_finished()

    def stream_reset(self) -> None:
        """Fail if the stream was never connected, and close the socket."""
        self._fail(StreamRefusedError(Status.FAILED, "the tunnel ended"))
        super().stream_reset()

    def _fail(self, error: StreamRefusedError) -> None:
        if not self.connected.done():
            self.connected.set_exception(error)


async def dial_through(tunnel: TunnelConnection, seconds: float) -> socket.socket:
    """Return a socket that is connected to the API server at the other end of a tunnel.

    Raises:
        StreamRefusedError: the tunnel takes no streams, or the agent cannot connect in time.
    """
    end = _DialedStream(tunnel)
    try:
        stream_id = tunnel.open(end)
    except CannotOpenError as exc:
        raise StreamRefusedError(Status.FAILED, str(exc)) from exc
    end.attach(stream_id)
    try:
        async with asyncio.timeout(seconds):
            await end.connected
    except TimeoutError:
        tunnel.reset(stream_id)
        raise StreamRefusedError(
            Status.TIMEOUT, f"the agent did not connect within {seconds:g} s"
        ) from None
    except BaseException:  # Also a cancellation in the moment in which it is connected.
        tunnel.reset(stream_id)
        raise
    return await _joined(end)


async def _joined(end: StreamEnd) -> socket.socket:
    """Join a stream with a pair of sockets, and return the other one.

    The joining itself is never cancelled: uvloop would then lose the stream and the descriptor.
    """
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    joining = asyncio.ensure_future(
        asyncio.get_running_loop().create_connection(lambda: end, sock=near)
    )
    try:
        await asyncio.shield(joining)
    except BaseException:
        far.close()
        joining.add_done_callback(_abort)
        raise
    return far


def _abort(joining: "asyncio.Future[tuple[asyncio.Transport, StreamEnd]]") -> None:
    """Close the socket of a stream that no caller waits for, and with it the stream."""
    if not joining.cancelled() and joining.exception() is None:
        joining.result()[0].abort()
