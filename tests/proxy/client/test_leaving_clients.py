"""What is logged when a client leaves while aiohttp reads the rest of its request's body."""

import asyncio
import logging
from typing import Any

import pytest
from aiohttp import StreamReader, web

from proxy.client.connection import ClientConnection
from proxy.client.server import ProxyServer


async def a_lost_connection() -> ClientConnection:
    """Return a connection whose client has sent a request and left."""
    loop = asyncio.get_running_loop()
    made: list[ClientConnection] = []

    async def respond(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="ok")

    def make(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        made.append(protocol)
        return web.BaseRequest(message, payload, protocol, writer, task, loop)

    server = ProxyServer(respond, request_factory=make, access_log=None, keepalive_timeout=60)
    async with await loop.create_server(server, "127.0.0.1", 0) as listener:
        reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"ok")
        writer.close()
        await server.shutdown(60)
    [connection] = made
    assert connection.is_lost
    return connection


async def test_end_of_a_connection_during_the_rest_of_a_body_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    connection = await a_lost_connection()
    body = StreamReader(connection, 2**16, loop=asyncio.get_running_loop())
    with pytest.raises(RuntimeError) as left:
        await body.readany()
    with caplog.at_level(logging.INFO):
        connection.log_exception("Unhandled exception", exc_info=left.value)
        assert caplog.records == []
        connection.log_exception("Unhandled exception", exc_info=RuntimeError("a fault"))
        assert [one.getMessage() for one in caplog.records] == ["Unhandled exception"]
