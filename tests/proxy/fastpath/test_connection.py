"""When a connection's requests may take the express lane, and when aiohttp has them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from proxy.connection import relayed
from proxy.express_connection import ExpressConnection
from proxy.gate_server import GateServer
from tests.proxy.relay import make_request

ASKED = b"GET / HTTP/1.1\r\nHost: g\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Lane:
    """An express lane that takes what it is let, and how many it was offered."""

    def __init__(self) -> None:
        self.takes = False
        self.offered = 0

    def __call__(self, connection: ExpressConnection, data: bytes) -> bool:
        self.offered += 1
        connection.owed = 0
        if self.takes:
            assert connection.transport is not None
            connection.transport.write(ANSWER)
        return self.takes


@asynccontextmanager
async def serving(lane: Lane, then: bytes = b"") -> AsyncIterator[int]:
    """A server whose slow lane gets ``then`` from the client before it is done with a request."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(ANSWER)
        if then and lane.offered == 1:
            lane.takes = True
            request.protocol.data_received(then)
        return relayed(keep_alive=True)

    server = GateServer(handle, request_factory=make_request, access_log=None, express=lane)
    runner = web.ServerRunner(server, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_a_request_that_follows_at_once_on_the_other_lanes_answer_is_let_in() -> None:
    """Or a client under load would never get back into the express lane."""
    lane = Lane()
    async with serving(lane, then=ASKED) as port, asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(ASKED)
        assert await reader.readexactly(2 * len(ANSWER)) == 2 * ANSWER
        assert lane.offered == 2
        writer.close()


async def test_requests_of_both_lanes_are_answered_in_their_order() -> None:
    lane = Lane()
    async with serving(lane) as port, asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(ASKED)
            assert await reader.readexactly(len(ANSWER)) == ANSWER
            lane.takes = not lane.takes
        writer.close()
    assert lane.offered == 3
