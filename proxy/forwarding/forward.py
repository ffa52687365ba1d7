"""Forwarding an ordinary request: a pooled connection, the body pumped, the answer awaited."""

import asyncio
from dataclasses import dataclass

from aiohttp import ClientPayloadError, StreamReader, web

from proxy.asked import REPEATABLE, may_be_silent
from proxy.exchange import Exchange
from proxy.peers import LOOK_SECONDS, has_vanished
from proxy.pool import UpstreamPool
from proxy.upstream import (
    RequestBroken,
    RequestTooLarge,
    UpstreamConnection,
    UpstreamError,
)

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Outbound:
    """A request as a cluster is to see it: ``lines`` are all header lines but Host.

    ``max_body`` is the most bytes that its body may have.
    """

    method: str
    target: str
    lines: bytes
    has_body: bool
    chunked: bool
    expects_continue: bool
    max_body: int = 2**63


async def forward(
    request: web.BaseRequest, exchange: Exchange, pool: UpstreamPool, outbound: Outbound
) -> None:
    """Send the request to the cluster and relay the answer, to its end.

    A pooled connection may have been closed by the API server just as we used it, and a master may
    die with a request on it. A request that only reads is then sent again: on a new connection, to
    another master where there is one. What writes is never sent twice.

    Raises UpstreamError where no answer began. Cancelled (the client went away), it takes the
    upstream connection down with it.
    """
    repeatable = not outbound.has_body and outbound.method in REPEATABLE
    connection = pool.take() or await pool.connect(after_take=True)
    tries = len(pool.masters) + 1
    while True:
        try:
            return await _once(request, exchange, pool, connection, outbound, repeatable=repeatable)
        except UpstreamError as exc:
            tries -= 1
            again = pool.heed(exc, connection, by_sender=outbound.has_body)
            if not (repeatable and tries and again):
                raise
        exchange.renew()
        connection = await pool.connect()


async def _once(
    request: web.BaseRequest,
    exchange: Exchange,
    pool: UpstreamPool,
    connection: UpstreamConnection,
    outbound: Outbound,
    *,
    repeatable: bool,
) -> None:
    head = connection.master.request_head(outbound.method, outbound.target, outbound.lines)
    pump: asyncio.Future[None] | None = None
    if not outbound.has_body:
        connection.send(exchange, head, repeatable=repeatable)
        if may_be_silent(outbound.target):
            pool.request_sent_for_long(connection)
        else:
            pool.request_sent(connection)
    elif (body := _whole(request.content)) is not None:
        if len(body) > outbound.max_body:
            connection.abort()
            raise _too_large(outbound)
        connection.send(exchange, head + _framed(body, chunked=outbound.chunked))
        pool.request_sent(connection)
    else:
        if outbound.expects_continue and request.transport is not None:
            request.transport.write(_CONTINUE)
        connection.send(exchange, head)
        pump = asyncio.ensure_future(_pump(request, connection, pool, outbound))
    try:
        await exchange.done
    except asyncio.CancelledError:
        if not exchange.over:  # else the pool has it back, and it may be another request's by now
            connection.abort()
        raise
    finally:
        if pump is not None:
            await _settle(pump)


def _whole(content: StreamReader) -> bytes | None:
    """The request's body if all of it has arrived already, as small ones have; else None."""
    return content.read_nowait() if content.is_eof() else None


def _framed(body: bytes, *, chunked: bool) -> bytes:
    if not chunked:
        return body
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"


async def _pump(
    request: web.BaseRequest,
    connection: UpstreamConnection,
    pool: UpstreamPool,
    outbound: Outbound,
) -> None:
    """Pass the request's body on as it arrives, no faster than the API server takes it."""
    chunked, left = outbound.chunked, outbound.max_body
    try:
        while piece := await request.content.readany():
            left -= len(piece)
            if left < 0:
                connection.abort(_too_large(outbound))
                return
            connection.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            if connection.braked:
                await _drain(request, connection)
    except (web.RequestPayloadError, ClientPayloadError, ConnectionError) as exc:
        # The request keeps it, and it would keep all that is on the way to here, the request too.
        exc.__traceback__ = None
        # The body is broken off or malformed: the API server must not take it for whole.
        connection.abort(RequestBroken("the request's body is malformed, or was broken off"))
        return
    if chunked:
        connection.write(b"0\r\n\r\n")
    pool.request_sent(connection)


async def _drain(request: web.BaseRequest, connection: UpstreamConnection) -> None:
    """Wait until the API server takes more. Raises ConnectionError where the client has gone.

    While its body can't be passed on, the client isn't read from, and nobody else would notice.
    """
    while True:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                return await connection.drain()
        except TimeoutError:
            if request.transport is None or has_vanished(request.transport):
                raise ConnectionResetError("the client went away") from None


def _too_large(outbound: Outbound) -> RequestTooLarge:
    return RequestTooLarge(f"the request's body is over {outbound.max_body} bytes")


async def _settle(pump: asyncio.Future[None]) -> None:
    """End the pump: an answer may be complete before the request's body is."""
    if not pump.done():
        pump.cancel()
    await asyncio.gather(pump, return_exceptions=True)
