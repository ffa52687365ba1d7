"""What becomes of an upstream connection when a client goes at the worst moment."""

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from proxy.exchange import Exchange
from proxy.forward import Outbound, forward
from tests.parts.garbage import newborns, uncollected
from tests.parts.waiting import soon
from tests.proxy.relay import Relay, answering, read_request, relay

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_a_client_that_goes_as_its_answer_ends_leaves_the_connection_to_others() -> None:
    """It may carry another request before the first one's task hears of anything."""
    async with relay(answering(ANSWER, ANSWER)) as gate:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(left_at_its_end(gate))
        kept = gate.pool.take()
        assert kept is not None
        assert kept.usable


async def left_at_its_end(gate: Relay) -> None:
    """Forward a request; when its answer is complete, cancel that before it is woken up."""
    request = make_mocked_request("GET", "/x")
    exchange = exchange_for(request)
    task = asyncio.current_task()
    assert task is not None
    exchange.done.add_done_callback(lambda _: task.cancel())
    outbound = Outbound("GET", "/x", b"\r\n", has_body=False, chunked=False, expects_continue=False)
    await forward(request, exchange, gate.pool, outbound)


async def test_an_answer_that_is_over_holds_nobody_who_waited_for_its_head() -> None:
    """A watch's request waits for its own: nothing but the collector would find the two."""
    living = newborns(Exchange)
    with uncollected():
        waiting: list[object] = []
        exchange = exchange_for(make_mocked_request("GET", "/x"), partial(setattr, waiting))
        waiting.append(exchange)
        exchange.finish()
        assert living(Exchange) == 1
        del exchange, waiting
        assert living(Exchange) == 0


async def test_requests_whose_body_broke_off_are_not_left_to_the_collector() -> None:
    begun: asyncio.Queue[bytes] = asyncio.Queue()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.put_nowait(await read_request(reader))
        await reader.read()

    async with relay(script) as gate:
        living = newborns(web.BaseRequest)
        with uncollected():
            for _ in range(10):
                _, writer = await gate.open()
                writer.write(b"POST /x HTTP/1.1\r\nHost: g\r\nContent-Length: 100\r\n\r\nno")
                await begun.get()
                writer.transport.abort()
                await gate.finished.get()
            await soon(lambda: living(web.BaseRequest) <= 1, 5, "the end of requests")


def exchange_for(
    request: web.BaseRequest, on_head: Callable[[int], None] | None = None
) -> Exchange:
    """What its answer will go to."""
    assert request.transport is not None
    return Exchange(
        request.protocol,  # type: ignore[arg-type]
        request.transport,
        loop=asyncio.get_running_loop(),
        to_head=False,
        http_1_1=True,
        keep_alive=True,
        prefix=b"",
        extra=b"",
        on_head=on_head,
    )
