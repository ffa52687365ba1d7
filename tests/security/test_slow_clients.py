"""Clients that take their time: they hold a connection of their own, for a while, and no more."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp import web

from proxy.gate_server import GateServer
from tests.security.world import World

LIMIT = 0.5
MEBIBYTE = 1024**2


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    """The port of a server like the gate's, with less patience."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="ok")

    loop = asyncio.get_running_loop()

    def make(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        return web.BaseRequest(message, payload, protocol, writer, task, loop)

    server = GateServer(
        answer,
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
async def test_a_head_that_drips_is_cut_off(before: bytes) -> None:
    """Slowloris: each byte comes in time, the head never does; on a used connection as well."""
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(before)
        begun = asyncio.get_running_loop().time()
        dripping = asyncio.create_task(_drip(writer))
        received = b""
        # A byte that arrives as the connection is closed makes the end of it a reset.
        with suppress(ConnectionResetError):
            async with asyncio.timeout(10):
                while piece := await reader.read(4096):
                    received += piece
        dripping.cancel()
        assert asyncio.get_running_loop().time() - begun < 2 + LIMIT
        assert received.count(b"HTTP/1.1 200") == bool(before)


async def _drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ")
    while not writer.is_closing():
        writer.write(b"a")
        await asyncio.sleep(LIMIT / 20)


def test_a_client_that_never_reads_fills_no_memory_and_holds_nobody_up(world: World) -> None:
    stuck: Future[int] = Future()

    def endless(connection: ssl.SSLSocket) -> None:
        connection.settimeout(2)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        sent = 0
        try:
            while sent < 200 * MEBIBYTE:
                sent += connection.send(b"x" * 65536)
        except TimeoutError:
            pass
        stuck.set_result(sent)

    world.a.answers[b"/endless"] = endless
    before = world.sekisho.metric("process_resident_memory_bytes")
    with world.wire() as wire:
        wire.send(world.head(target=b"/k8s/clusters/a/endless"))
        assert stuck.result(60) < 40 * MEBIBYTE, "the upstream was read although nobody took it"
        assert world.ask(world.head(user="bob")).status == 200
        grown = world.sekisho.metric("process_resident_memory_bytes") - before
        assert grown < 40 * MEBIBYTE


def test_a_body_that_never_ends_holds_nobody_up(world: World) -> None:
    with world.wire() as wire:
        wire.send(world.head(b"Content-Length: 100", method=b"POST") + b"begun")
        expected = world.expected(method=b"POST", framing=(b"Content-Length: 100",))
        world.a.wait_for_bytes(expected + b"begun")
        assert world.ask(world.head(user="bob")).status == 200
    assert world.a.broken_off() == expected + b"begun"
