"""What becomes of an upstream connection when a client goes at the worst moment."""

import asyncio

import pytest
from aiohttp import HttpVersion11
from aiohttp.test_utils import make_mocked_request

from proxy.exchange import Exchange
from proxy.forward import Outbound, forward
from tests.proxy.relay import Relay, answering, relay

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class LeftAtItsEnd(Exchange):
    """An answer whose client goes as its last byte is written, before anybody is woken by that."""

    task: asyncio.Task[None] | None

    def ended(self, error: Exception | None) -> None:
        super().ended(error)
        assert self.task is not None
        self.task.cancel()


async def test_a_client_that_goes_as_its_answer_ends_leaves_the_connection_to_others() -> None:
    """It may carry another request before the first one's task hears of anything."""
    async with relay(answering(ANSWER, ANSWER)) as gate:
        task = asyncio.create_task(left_at_its_end(gate))
        with pytest.raises(asyncio.CancelledError):
            await task
        kept = gate.pool.take()
        assert kept is not None
        assert kept.usable


async def left_at_its_end(gate: Relay) -> None:
    request = make_mocked_request("GET", "/x")
    assert request.transport is not None
    exchange = LeftAtItsEnd(
        request.protocol,  # type: ignore[arg-type]
        request.transport,
        loop=asyncio.get_running_loop(),
        to_head=False,
        http_1_1=request.version >= HttpVersion11,
        keep_alive=True,
        prefix=b"",
        extra=b"",
    )
    exchange.task = asyncio.current_task()
    outbound = Outbound("GET", "/x", b"\r\n", has_body=False, chunked=False, expects_continue=False)
    await forward(request, exchange, gate.pool, outbound)
