"""What becomes of an upstream connection when a client goes at the worst moment."""

import asyncio

import pytest
from aiohttp.test_utils import make_mocked_request

from proxy.exchange import Exchange
from proxy.forward import Outbound, forward
from tests.proxy.relay import Relay, answering, relay

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
    assert request.transport is not None
    exchange = Exchange(
        request.protocol,  # type: ignore[arg-type]
        request.transport,
        loop=asyncio.get_running_loop(),
        to_head=False,
        http_1_1=True,
        keep_alive=True,
        prefix=b"",
        extra=b"",
    )
    task = asyncio.current_task()
    assert task is not None
    exchange.done.add_done_callback(lambda _: task.cancel())
    outbound = Outbound("GET", "/x", b"\r\n", has_body=False, chunked=False, expects_continue=False)
    await forward(request, exchange, gate.pool, outbound)
