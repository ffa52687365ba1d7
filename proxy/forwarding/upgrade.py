"""Upgrade a connection: exec, attach, port-forward and cp, over SPDY/3.1 or WebSocket.

An upgrade has an upstream connection of its own. Only a ``101`` starts a tunnel; any other response
is relayed as ordinary HTTP, and both connections are closed after it (CVE-2018-1002105: a failed
upgrade must not leave a tunnel behind).
"""

import asyncio

from aiohttp import web

from proxy.client.connection import ClientConnection
from proxy.forwarding.attempt_trace import attempt_span, traced_connect
from proxy.forwarding.awaited_response import AwaitedResponse
from proxy.forwarding.tunnel import Tunnel
from proxy.request.trace_lines import trace_lines
from proxy.request.upstream_request import UpstreamRequest
from proxy.upstream.pool import ConnectionPool


async def upgrade(
    request: web.BaseRequest,
    client: ClientConnection,
    relay: AwaitedResponse,
    pool: ConnectionPool,
    upstream_request: UpstreamRequest,
    *,
    idle_timeout: float,
) -> None:
    """Relay an upgrade to its end. ``relay`` then has the session's byte count and note.

    Raises:
        UpstreamError: no response began.

    """
    connection = await traced_connect(pool)
    upstream = connection.transport
    try:
        with attempt_span(connection, upstream_request.method, relay) as span:
            head = connection.host.request_head(
                upstream_request.method,
                upstream_request.target,
                trace_lines(span) + upstream_request.lines,
            )
            connection.send_request(relay, head, header_timeout=pool.limits.header_timeout)
            await relay.done
        if relay.switched is None or upstream is None or request.transport is None:
            return
        tunnel = Tunnel(client, request.transport, upstream, idle_timeout=idle_timeout)
        upstream = None  # From here on the tunnel closes it.
        tunnel.start(relay.switched)
        try:
            await _end_of(tunnel)
        finally:
            relay.sent += tunnel.down
            relay.note = tunnel.note
    finally:
        # The connection of a declined upgrade is not used again.
        pool.remove(connection)
        if upstream is not None and not upstream.is_closing():
            upstream.abort()


async def _end_of(tunnel: Tunnel) -> None:
    try:
        await tunnel.done
    except asyncio.CancelledError:
        # The client has left; the bytes that it sent are still on their way to the API server.
        tunnel.client_lost()
        raise
