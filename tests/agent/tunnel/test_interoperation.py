"""Tunnels work with hashicorp/yamux at the other end, in both roles."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from agent.tunnel.connection import TunnelConnection
from agent.tunnel.stream_end import StreamEnd
from tests.agent.tunnel_peer import Echo, tunnel_server
from tests.support.waiting import eventually


@pytest.mark.parametrize(("streams", "size"), [(1, 20_000_000), (50, 300_000), (200, 1000)])
async def test_go_client_gets_its_data_back(yamux_peer: Path, streams: int, size: int) -> None:
    async with tunnel_server() as server:
        client = await asyncio.create_subprocess_exec(
            *(yamux_peer, "-dial", server.url.replace("http", "ws")),
            *(f"-streams={streams}", f"-size={size}"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = await client.communicate()
        assert (out, client.returncode) == (b"ok\n", 0), (err.decode(), server.ended)
        await eventually(lambda: server.tunnels[0].streams == 0)


async def test_go_server_returns_the_data_of_streams(yamux_peer: Path) -> None:
    peer = await asyncio.create_subprocess_exec(
        *(yamux_peer, "-listen", "127.0.0.1:0"), stdout=subprocess.PIPE
    )
    try:
        assert peer.stdout is not None
        address = (await peer.stdout.readline()).decode().strip()
        tunnel = TunnelConnection(
            client=True, accept=lambda number: Echo(tunnel, number), lost=lambda _: None
        )
        # Go's server names no subprotocol, so the handshake of an agent refuses it.
        port = int(address.rpartition(":")[2])
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: _Client(tunnel), "127.0.0.1", port
        )
        data = os.urandom(3_000_000)
        assert await asyncio.gather(*(_converse(tunnel, data) for _ in range(10))) == [data] * 10
        await eventually(lambda: tunnel.streams == 0)
        assert tunnel.round_trip > 0
        transport.close()
    finally:
        peer.kill()
        await peer.wait()


async def _converse(tunnel: TunnelConnection, data: bytes) -> bytes:
    """Send data through a stream that is joined with a socket, and return what comes back."""
    from tests.agent.stream_sockets import open_stream

    reader, writer = await open_stream(tunnel, StreamEnd(tunnel, half_close=True))
    sending = asyncio.ensure_future(_send(writer, data))
    got = await reader.read(-1)
    await sending
    writer.close()
    return got


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()
    writer.write_eof()


class _Client(asyncio.Protocol):
    """Sends the request of a WebSocket client, and gives the connection to a tunnel."""

    def __init__(self, tunnel: TunnelConnection) -> None:
        self._tunnel = tunnel
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )

    def data_received(self, data: bytes) -> None:
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if end:
            assert head.startswith(b"HTTP/1.1 101")
            self._transport.set_protocol(self._tunnel)
            self._tunnel.connection_made(self._transport)
            self._tunnel.data_received(rest)
