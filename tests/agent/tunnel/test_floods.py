"""Peers that send what costs more than its bytes: small frames, pings, and no end of them."""

import asyncio
import socket
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvloop

from agent.dialer import dial_through
from agent.tunnel.connection import TunnelConnection
from agent.tunnel.frame_rate import BURST, FRAMES_PER_SECOND, LONGEST_PAUSE, FrameRate
from agent.websocket.codec import Opcode, encode
from agent.yamux.frames import Flags, FrameType, Header, encode_header
from tests.support.waiting import eventually

MORE = BURST + FRAMES_PER_SECOND
"""Frames that take a second, at least."""

SMALL_FRAMES = {
    "empty messages": encode(Opcode.BINARY, masked=True) * MORE,
    "pongs": encode(Opcode.PONG, masked=True) * MORE,
    "credit of nothing": encode(
        Opcode.BINARY,
        encode_header(Header(FrameType.WINDOW_UPDATE, Flags.NONE, 2, 0)) * MORE,
        masked=True,
    ),
}


@asynccontextmanager
async def attacked(
    rate: FrameRate | None = None,
) -> AsyncIterator[tuple[TunnelConnection, socket.socket]]:
    """Yield a server's end of a tunnel, and the socket of its peer, which sends raw bytes."""
    ended: list[str] = []
    tunnel = TunnelConnection(
        client=False, accept=lambda _: pytest.fail("a stream"), lost=ended.append, rate=rate
    )
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: tunnel, sock=near)
    with far:
        yield tunnel, far
        tunnel.close("the test has ended")
    await eventually(lambda: bool(ended))


@pytest.mark.parametrize("what", SMALL_FRAMES)
async def test_small_frames_are_read_no_faster_than_the_rate(what: str) -> None:
    loop = asyncio.get_running_loop()
    data = SMALL_FRAMES[what]
    async with attacked(FrameRate(loop.time())) as (tunnel, far):
        tunnel.session.open()
        began = loop.time()
        await loop.sock_sendall(far, data)
        await eventually(lambda: tunnel.bytes_in == len(data), seconds=30)
        assert loop.time() - began > 0.9
        assert tunnel.usable


async def test_rate_is_for_all_tunnels_of_a_cluster_and_pauses_are_short() -> None:
    rate = FrameRate(100.0)
    assert rate.taken(BURST, 100.0) == 0
    assert rate.taken(FRAMES_PER_SECOND, 100.0) == pytest.approx(1)
    assert rate.taken(10 * FRAMES_PER_SECOND, 100.0) == LONGEST_PAUSE
    assert not rate.is_full(105.0)
    assert rate.is_full(112.0)
    assert rate.taken(BURST, 200.0) == 0


async def test_peer_that_sends_pings_and_reads_no_pong_fills_no_memory() -> None:
    loop = asyncio.get_running_loop()
    pings = encode(Opcode.PING, b"x" * 125, masked=True) * 40_000
    async with attacked() as (tunnel, far):
        await loop.sock_sendall(far, pings)
        await eventually(lambda: tunnel.bytes_in == len(pings))
        assert tunnel._transport is not None
        assert tunnel._transport.get_write_buffer_size() < 128 * 1024
        assert tunnel.bytes_out < 512 * 1024


async def test_last_of_several_pings_is_answered() -> None:
    loop = asyncio.get_running_loop()
    async with attacked() as (_, far):
        await loop.sock_sendall(
            far, b"".join(encode(Opcode.PING, one, masked=True) for one in (b"a", b"b"))
        )
        received = b""
        while encode(Opcode.PONG, b"b", masked=False) not in received:
            received += await loop.sock_recv(far, 4096)


def test_small_frames_for_a_reader_that_waits_take_no_more_than_the_window() -> None:
    # The loop of the server: it keeps what waits piece by piece.
    uvloop.run(_fill_a_window_with_small_frames())


async def _fill_a_window_with_small_frames() -> None:
    loop = asyncio.get_running_loop()
    data = bytes(range(250)) * 1000
    small = b"".join(
        encode_header(Header(FrameType.DATA, Flags.NONE, 2, 2)) + data[at : at + 2]
        for at in range(0, len(data), 2)
    )
    sent = encode(Opcode.BINARY, small, masked=True)
    connected = encode_header(Header(FrameType.DATA, Flags.ACK, 2, 1)) + b"\0"
    async with attacked() as (tunnel, far):
        await loop.sock_sendall(far, encode(Opcode.BINARY, connected, masked=True))
        reader = await dial_through(tunnel, 20)
        tracemalloc.start()
        try:
            await loop.sock_sendall(far, sent)
            await eventually(lambda: tunnel.bytes_in > len(sent))
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert held < 1024 * 1024
        received = bytearray()
        with reader:
            while len(received) < len(data):
                received += await loop.sock_recv(reader, 65536)
        assert received == data
