"""Forward an ordinary request: take a pooled connection, stream the body, relay the response."""

import asyncio

from aiohttp import ClientPayloadError, StreamReader, web

from management.http.body import BodyTooSlow
from management.tracing.span import Span
from proxy.forwarding.attempt_trace import attempt_span, traced_connect
from proxy.forwarding.awaited_response import AwaitedResponse
from proxy.request.request_line import RETRYABLE_METHODS
from proxy.request.trace_lines import trace_lines
from proxy.request.upstream_request import UpstreamRequest
from proxy.transport.tcp_keepalive import PEER_CHECK_SECONDS, is_peer_closed
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.errors import (
    RequestBodyError,
    RequestBodyTooLarge,
    RequestSlow,
    UpstreamError,
)
from proxy.upstream.pool import ConnectionPool

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def forward(
    request: web.BaseRequest,
    relay: AwaitedResponse,
    pool: ConnectionPool,
    upstream_request: UpstreamRequest,
) -> None:
    """Send the request to the cluster and relay the response to its end.

    The API server may close a pooled connection just as it is used, and an upstream host may fail
    during a request. A request that only reads is then sent again, on a new connection and to
    another host, or by another tunnel, if one exists. A request that writes is never sent twice.

    If cancelled because the client left, it aborts the upstream connection.

    Raises:
        UpstreamError: no response began.

    """
    retryable = not upstream_request.has_body and upstream_request.method in RETRYABLE_METHODS
    connection = pool.take() or await traced_connect(pool, after_take=True)
    tries, sent = pool.tries, 0
    while True:
        try:
            with attempt_span(connection, upstream_request.method, relay, sent) as span:
                return await _attempt(
                    request, relay, pool, connection, upstream_request, span, retryable=retryable
                )
        except UpstreamError as exc:
            tries -= 1
            again = pool.report_failure(exc, connection)
            if not (tries and again):
                raise
        relay.renew()
        sent += 1
        connection = await traced_connect(pool)


async def _attempt(
    request: web.BaseRequest,
    relay: AwaitedResponse,
    pool: ConnectionPool,
    connection: UpstreamConnection,
    upstream_request: UpstreamRequest,
    span: Span,
    *,
    retryable: bool,
) -> None:
    head = connection.host.request_head(
        upstream_request.method,
        upstream_request.target,
        trace_lines(span) + upstream_request.lines,
    )
    body_task: asyncio.Future[None] | None = None
    timeout = pool.limits.header_timeout
    if not upstream_request.has_body:
        may_delay = upstream_request.may_delay_response
        connection.send_request(
            relay, head, header_timeout=None if may_delay else timeout, retryable=retryable
        )
    elif (body := _complete_body(request.content)) is not None:
        if len(body) > upstream_request.max_body:
            connection.abort()
            raise _too_large(upstream_request)
        message = head + _framed(body, chunked=upstream_request.chunked)
        connection.send_request(relay, message, header_timeout=timeout, has_body=True)
    else:
        if upstream_request.expects_continue and request.transport is not None:
            request.transport.write(_CONTINUE)
        connection.send_request(relay, head, header_timeout=timeout, has_body=True, complete=False)
        body_task = asyncio.ensure_future(_stream_body(request, connection, upstream_request))
    try:
        await relay.done
    except asyncio.CancelledError:
        if not relay.over:  # Otherwise the pool has it back, and another request may use it.
            connection.abort()
        raise
    finally:
        if body_task is not None:
            await _finish_body(body_task)


def _complete_body(content: StreamReader) -> bytes | None:
    """Return the body if all of it has arrived already, as small ones have; else None."""
    return content.read_nowait() if content.is_eof() else None


def _framed(body: bytes, *, chunked: bool) -> bytes:
    if not chunked:
        return body
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"


async def _stream_body(
    request: web.BaseRequest, connection: UpstreamConnection, upstream_request: UpstreamRequest
) -> None:
    """Send the body as it arrives, no faster than the API server reads it."""
    chunked, left = upstream_request.chunked, upstream_request.max_body
    try:
        while piece := await request.content.readany():
            left -= len(piece)
            if left < 0:
                connection.abort(_too_large(upstream_request))
                return
            connection.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            if connection.write_paused:
                await _drain(request, connection)
    except (web.RequestPayloadError, ClientPayloadError, ConnectionError) as exc:
        # The request keeps the exception, whose traceback would keep the request and its buffers.
        exc.__traceback__ = None
        # The body ended early or is malformed: the API server must not take it for complete.
        connection.abort(_body_error(exc))
        return
    if chunked:
        connection.write(b"0\r\n\r\n")
    connection.finish_request()


async def _drain(request: web.BaseRequest, connection: UpstreamConnection) -> None:
    """Wait until the API server reads more.

    Meanwhile nothing is read from the client, so only this function notices that it left.

    Raises:
        ConnectionError: the client has left.

    """
    while True:
        try:
            async with asyncio.timeout(PEER_CHECK_SECONDS):
                return await connection.drain()
        except TimeoutError:
            if request.transport is None or is_peer_closed(request.transport):
                raise ConnectionResetError("the client closed the connection") from None


def _body_error(exc: Exception) -> UpstreamError:
    if isinstance(exc, BodyTooSlow):
        return RequestSlow("the request's body did not arrive in time; send it again, faster")
    return RequestBodyError("the request's body is malformed, or ended early")


def _too_large(upstream_request: UpstreamRequest) -> RequestBodyTooLarge:
    return RequestBodyTooLarge(f"the request's body is over {upstream_request.max_body} bytes")


async def _finish_body(task: asyncio.Future[None]) -> None:
    """End the body's task: a response may be complete before the request's body is."""
    if not task.done():
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)
