"""Which requests of a connection take the fast path, and which go to aiohttp."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import web

from proxy.client.connection import RELAYED
from proxy.client.server import ProxyServer
from proxy.fastpath.connection import FastPathConnection
from tests.proxy.relay import make_request

ASKED = b"GET / HTTP/1.1\r\nHost: g\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class FastPath:
    """A fast path that handles requests while ``takes`` is set, and counts all of them."""

    def __init__(self) -> None:
        self.takes = False
        self.offered = 0

    def __call__(self, connection: FastPathConnection, data: bytes) -> bool:
        self.offered += 1
        connection.unread_bytes = 0
        if self.takes:
            assert connection.transport is not None
            connection.transport.write(ANSWER)
        return self.takes


@asynccontextmanager
async def serving(fast_path: FastPath, then: bytes = b"") -> AsyncIterator[int]:
    """A server whose ordinary path gets ``then`` from the client during a request."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(ANSWER)
        if then and fast_path.offered == 1:
            fast_path.takes = True
            request.protocol.data_received(then)
        return RELAYED[True]

    factory = partial(FastPathConnection, fast_path)
    server = ProxyServer(
        handle, request_factory=make_request, access_log=None, connection_factory=factory
    )
    runner = web.ServerRunner(server, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_request_right_after_a_response_of_the_ordinary_path_takes_the_fast_path() -> None:
    """Otherwise a client under load would never return to the fast path."""
    fast_path = FastPath()
    async with serving(fast_path, then=ASKED) as port, asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(ASKED)
        assert await reader.readexactly(2 * len(ANSWER)) == 2 * ANSWER
        assert fast_path.offered == 2
        writer.close()


async def test_requests_of_both_paths_get_responses_in_order() -> None:
    fast_path = FastPath()
    async with serving(fast_path) as port, asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(ASKED)
            assert await reader.readexactly(len(ANSWER)) == ANSWER
            fast_path.takes = not fast_path.takes
        writer.close()
    assert fast_path.offered == 3
