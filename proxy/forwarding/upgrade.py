"""Upgrading a connection: exec, attach, port-forward and cp, over SPDY/3.1 or WebSocket.

An upgrade has an upstream connection of its own. Only a real ``101`` makes it a pipe; any other
answer is relayed as ordinary HTTP and both connections are closed after it (CVE-2018-1002105: a
failed upgrade must not leave a tunnel behind).
"""

import asyncio

from aiohttp import web

from proxy.connection import GateConnection
from proxy.exchange import Exchange
from proxy.forward import Outbound
from proxy.pipe import Pipe
from proxy.pool import UpstreamPool


async def upgrade(
    request: web.BaseRequest,
    client: GateConnection,
    exchange: Exchange,
    pool: UpstreamPool,
    outbound: Outbound,
    *,
    idle_timeout: float,
) -> int:
    """Relay an upgrade until it ends; how many bytes went to the client through the pipe.

    Raises UpstreamError where no answer began.
    """
    connection = await pool.connect()
    upstream = connection.transport
    try:
        master = connection.master
        connection.send(
            exchange, master.request_head(outbound.method, outbound.target, outbound.lines)
        )
        pool.request_sent(connection)
        await exchange.done
        if exchange.switched is None or upstream is None or request.transport is None:
            return 0
        pipe = Pipe(client, request.transport, upstream, idle_timeout=idle_timeout)
        pipe.start(exchange.switched)
        await _end_of(pipe)
        return pipe.down
    finally:
        # By now the pipe has flushed, or there was none: a declined upgrade's connection is not
        # used again.
        connection.master.lost(connection)
        if upstream is not None and not upstream.is_closing():
            upstream.abort()


async def _end_of(pipe: Pipe) -> None:
    try:
        await pipe.done
    except asyncio.CancelledError:
        # The client is gone; what it sent is still on its way to the API server.
        pipe.client_lost()
        raise
