"""Slow clients occupy only their own connection, for a limited time."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp import web

from proxy.client.server import ProxyServer
from tests.security.world import World
from tests.support.waiting import within

LIMIT = 0.5
MEBIBYTE = 1024**2


@asynccontextmanager
async def serve() -> AsyncIterator[int]:
    """Run the proxy's HTTP server with short time limits; yields its port."""

    async def response(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="ok")

    loop = asyncio.get_running_loop()

    def make(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        return web.BaseRequest(message, payload, protocol, writer, task, loop)

    server = ProxyServer(
        response,
        request_factory=make,
        access_log=None,
        keepalive_timeout=LIMIT,
    )
    listener = await loop.create_server(server, "127.0.0.1", 0)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        await server.shutdown(1)


@pytest.mark.parametrize("before", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"])
async def test_slow_head_closes_connection(before: bytes) -> None:
    """Slowloris: bytes keep arriving, but the head never ends, also on a used connection."""
    async with serve() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(before)
        with within(2 + LIMIT):
            sending = asyncio.create_task(_send_slowly(writer))
            received = b""
            # A byte that arrives while the connection closes turns the close into a reset.
            with suppress(ConnectionResetError):
                async with asyncio.timeout(60):
                    while piece := await reader.read(4096):
                        received += piece
            sending.cancel()
        assert received.count(b"HTTP/1.1 200") == bool(before)


async def _send_slowly(writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ")
    while not writer.is_closing():
        writer.write(b"a")
        await asyncio.sleep(LIMIT / 20)


def test_client_that_never_reads_uses_bounded_memory_and_blocks_no_other(world: World) -> None:
    sent_before_timeout: Future[int] = Future()

    def endless(connection: ssl.SSLSocket) -> None:
        connection.settimeout(2)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        sent = 0
        try:
            while sent < 200 * MEBIBYTE:
                sent += connection.send(b"x" * 65536)
        except TimeoutError:
            pass
        sent_before_timeout.set_result(sent)

    world.a.responses[b"/endless"] = endless
    before = world.sekisho.metric("process_resident_memory_bytes")
    with world.connect() as wire:
        wire.send(world.head(target=b"/k8s/clusters/a/endless"))
        assert sent_before_timeout.result(60) < 40 * MEBIBYTE, (
            "the proxy read the upstream although the client reads nothing"
        )
        assert world.send(world.head(user="bob")).status == 200
        grown = world.sekisho.metric("process_resident_memory_bytes") - before
        assert grown < 40 * MEBIBYTE


def test_unfinished_body_blocks_no_other_client(world: World) -> None:
    with world.connect() as wire:
        wire.send(world.head(b"Content-Length: 100", method=b"POST") + b"begun")
        expected = world.expected_head(method=b"POST", framing=(b"Content-Length: 100",))
        world.a.wait_for_bytes(expected + b"begun")
        assert world.send(world.head(user="bob")).status == 200
    assert world.a.truncated_request() == expected + b"begun"
