"""Connections of the process to its own server, on both event loops."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest
import uvloop
from aiohttp import web

from config.dialing import DialFailed
from proxy.client.in_process import InProcessServer
from proxy.client.server import ConnectionFactory, ProxyServer, create_connection
from proxy.fastpath.connection import FastPathConnection
from tests.proxy.relay import make_request
from tests.support.scripted_gate import origin_of
from tests.support.waiting import eventually

ASKED = b"GET /k8s/clusters/test/api/v1/pods HTTP/1.1\r\nHost: gate\r\n\r\n"
Run = Callable[[Coroutine[Any, Any, None]], None]

each_loop = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
with_and_without_fast_path = pytest.mark.parametrize(
    "connect",
    [create_connection, partial(FastPathConnection, lambda connection, data: False)],
    ids=["plain", "fast path"],
)


async def answer_origin(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text=origin_of(request))


def started(connect: ConnectionFactory = create_connection, most: int = 10) -> InProcessServer:
    server = ProxyServer(
        answer_origin, request_factory=make_request, access_log=None, connection_factory=connect
    )
    in_process = InProcessServer(most)
    in_process.serve(server)
    return in_process


async def ask(connected: socket.socket) -> bytes:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(connected, ASKED)
    received = b""
    while b"\r\n\r\n" not in received or not received.partition(b"\r\n\r\n")[2]:
        received += await loop.sock_recv(connected, 4096)
    return received


@each_loop
@with_and_without_fast_path
def test_requests_have_the_origin_of_their_connection(run: Run, connect: ConnectionFactory) -> None:
    async def scenario() -> None:
        in_process = started(connect)
        async with asyncio.timeout(60):
            for origin in ("192.0.2.7", "2001:db8::1"):
                with await in_process.dial(origin) as connected:
                    for _ in range(2):  # The connection stays open between requests.
                        assert (await ask(connected)).endswith(origin.encode())
            await eventually(lambda: in_process.connections == 0)

    run(scenario())


@each_loop
def test_connections_are_limited_until_they_close(run: Run) -> None:
    async def scenario() -> None:
        in_process = started(most=2)
        first, second = await in_process.dial("a"), await in_process.dial("b")
        with pytest.raises(DialFailed, match="too many requests on behalf of callers"):
            await in_process.dial("c")
        first.close()
        await eventually(lambda: in_process.connections == 1)
        third = await in_process.dial("c")
        for one in (second, third):
            one.close()
        await eventually(lambda: in_process.connections == 0)

    run(scenario())


@each_loop
def test_dial_that_is_cancelled_leaves_no_connection(run: Run) -> None:
    async def scenario() -> None:
        in_process = started()
        for turns in range(6):
            dialing = asyncio.ensure_future(in_process.dial("a"))
            for _ in range(turns):
                await asyncio.sleep(0)
            dialing.cancel()
            (dialed,) = await asyncio.gather(dialing, return_exceptions=True)
            if isinstance(dialed, socket.socket):
                dialed.close()
        await eventually(lambda: in_process.connections == 0)

    run(scenario())


async def test_dial_before_the_server_starts_fails() -> None:
    with pytest.raises(DialFailed, match="has not started"):
        await InProcessServer().dial("a")
