"""Streams of a tunnel as sockets, as the proxy uses them."""

import asyncio
import socket

from agent.tunnel.connection import TunnelConnection
from agent.tunnel.stream_end import StreamEnd


async def open_stream(
    tunnel: TunnelConnection, end: StreamEnd
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a stream, join it with a pair of sockets, and return the other socket."""
    ours, theirs = socket.socketpair()
    for one in (ours, theirs):
        one.setblocking(False)
    end.attach(tunnel.open(end))
    await asyncio.get_running_loop().create_connection(lambda: end, sock=ours)
    return await asyncio.open_connection(sock=theirs)
