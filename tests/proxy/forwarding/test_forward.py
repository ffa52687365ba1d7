"""The state of an upstream connection when a client disconnects at the worst moment."""

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from proxy.forwarding.awaited_response import AwaitedResponse
from proxy.forwarding.forward import forward
from proxy.request.upstream_request import UpstreamRequest
from proxy.response.relay import RelayOptions
from tests.proxy.relay import RunningRelay, read_request, relay, respond_with
from tests.support.garbage_collection import count_new_instances, garbage_collection_disabled
from tests.support.waiting import eventually

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_client_disconnect_at_the_response_end_keeps_the_upstream_connection() -> None:
    """The connection may carry another request before the task of the first one continues."""
    async with relay(respond_with(RESPONSE, RESPONSE)) as running:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(cancelled_at_its_end(running))
        kept = running.pool.take()
        assert kept is not None
        assert kept.usable


async def cancelled_at_its_end(running: RunningRelay) -> None:
    """Forward a request, and cancel the task when its response is complete, before it continues."""
    request = make_mocked_request("GET", "/x")
    exchange = exchange_for(request)
    task = asyncio.current_task()
    assert task is not None
    exchange.done.add_done_callback(lambda _: task.cancel())
    outbound = UpstreamRequest(
        "GET", "/x", b"\r\n", has_body=False, chunked=False, expects_continue=False
    )
    await forward(request, exchange, running.pool, outbound)


async def test_finished_response_has_no_reference_to_the_head_callback() -> None:
    """A watch's callback refers to its response: only garbage collection would free them."""
    living = count_new_instances(AwaitedResponse)
    with garbage_collection_disabled():
        waiting: list[object] = []
        exchange = exchange_for(make_mocked_request("GET", "/x"), partial(setattr, waiting))
        waiting.append(exchange)
        exchange.finish()
        assert living(AwaitedResponse) == 1
        del exchange, waiting
        assert living(AwaitedResponse) == 0


async def test_requests_with_truncated_bodies_are_freed_without_garbage_collection() -> None:
    begun: asyncio.Queue[bytes] = asyncio.Queue()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.put_nowait(await read_request(reader))
        await reader.read()

    async with relay(script) as running:
        living = count_new_instances(web.BaseRequest)
        with garbage_collection_disabled():
            for _ in range(10):
                _, writer = await running.open()
                writer.write(b"POST /x HTTP/1.1\r\nHost: g\r\nContent-Length: 100\r\n\r\nno")
                await begun.get()
                writer.transport.abort()
                await running.finished.get()
            await eventually(lambda: living(web.BaseRequest) <= 1, what="the end of requests")


def exchange_for(
    request: web.BaseRequest, on_head: Callable[[int], None] | None = None
) -> AwaitedResponse:
    """Return an awaited response for ``request``."""
    assert request.transport is not None
    return AwaitedResponse(
        request.protocol,  # type: ignore[arg-type]
        request.transport,
        RelayOptions(),
        on_head,
    )
