"""The least rate of bodies for a cluster, on real connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from pydantic import ByteSize

from config.limit_settings import LimitSettings
from management.http.body import BodyTooSlow
from proxy.client.body_deadlines import BodyDeadlines
from proxy.client.server import ProxyServer

WINDOW = 0.4
RATE = 100


class Served:
    """A server whose handler reads bodies to their end. ``went`` is how each of them went."""

    def __init__(self) -> None:
        self.port = 0
        self.went: asyncio.Queue[object] = asyncio.Queue()
        self.read_on = asyncio.Event()
        self.read_on.set()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        await self.read_on.wait()
        size = 0
        try:
            while piece := await request.content.readany():
                size += len(piece)
        except web.RequestPayloadError as exc:
            self.went.put_nowait(exc)
            return web.Response(status=408)
        self.went.put_nowait(size)
        return web.Response()


@asynccontextmanager
async def serving() -> AsyncIterator[Served]:
    served, loop = Served(), asyncio.get_running_loop()
    limits = LimitSettings(body_rate=ByteSize(RATE), body_rate_window=timedelta(seconds=WINDOW))
    watch = BodyDeadlines(loop, limits)

    def make(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        if not payload.is_eof():
            watch.begin(payload, protocol, for_cluster=True)
        return web.BaseRequest(message, payload, protocol, writer, task, loop)

    server = ProxyServer(served.handle, request_factory=make, access_log=None)
    listener = await loop.create_server(server, "127.0.0.1", 0)
    served.port = listener.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        listener.close()
        await server.shutdown(1)


@asynccontextmanager
async def sending(
    served: Served, length: int
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % length)
    try:
        yield reader, writer
    finally:
        writer.close()


@pytest.mark.parametrize("dripping", [False, True])
async def test_body_below_minimum_rate_ends_and_closes_its_connection(
    dripping: bool,
) -> None:
    async with serving() as served, sending(served, 10_000) as (reader, writer):

        async def drip() -> None:
            while dripping and not writer.is_closing():
                writer.write(b"a")
                await asyncio.sleep(WINDOW / 8)

        task = asyncio.create_task(drip())
        assert isinstance(await served.went.get(), BodyTooSlow)
        received = b""
        # A byte that arrives as the connection is closed makes the end of it a reset.
        with suppress(ConnectionResetError):
            received = await reader.read()
        task.cancel()
        assert dripping or received.startswith(b"HTTP/1.1 408")


async def test_body_above_minimum_rate_has_no_time_limit() -> None:
    # Far above the rate, so that a machine that is busy for a moment does not matter.
    piece, pieces = b"x" * int(RATE * WINDOW * 10), 20
    async with serving() as served, sending(served, len(piece) * pieces) as (_, writer):
        for _ in range(pieces):
            writer.write(piece)
            await asyncio.sleep(WINDOW / 5)
        assert await served.went.get() == len(piece) * pieces


async def test_pauses_of_the_server_do_not_count_against_the_rate() -> None:
    size = 1024**2
    async with serving() as served, sending(served, size) as (_, writer):
        served.read_on.clear()
        writer.write(b"x" * size)
        await asyncio.sleep(WINDOW * 4)
        served.read_on.set()
        assert await served.went.get() == size
