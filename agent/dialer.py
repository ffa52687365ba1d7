"""Connect to an API server through a tunnel: the server's half of a stream.

The result is a connected socket. TLS, the connection pool, and upgrades use it like any other
socket, and need not know of the tunnel.
"""

import asyncio
import socket

from agent.tunnel.connection import TunnelConnection
from agent.tunnel.dialed_stream import DialedStream
from agent.tunnel.status import Status, StreamRefusedError
from agent.tunnel.stream_end import StreamEnd
from agent.yamux.session import CannotOpenError


async def dial_through(tunnel: TunnelConnection, seconds: float) -> socket.socket:
    """Return a socket that is connected to the API server at the other end of a tunnel.

    Raises:
        StreamRefusedError: the tunnel takes no streams, or the agent cannot connect in time.
    """
    end = DialedStream(tunnel)
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
