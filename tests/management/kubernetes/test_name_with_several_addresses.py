"""The client reaches a cluster while one of the addresses of its name responds."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
import uvloop

from providers.http.response_body import open_session
from providers.network.checked_connections import connector
from tests.support.addresses import LOOPBACK_ALLOWED

NAME = "masters.test"
FIRST, SECOND = "127.0.0.2", "127.0.0.3"


async def answered(port: int) -> int:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, SECOND, port)
    timeout = aiohttp.ClientTimeout(total=60)
    url = f"http://{NAME}:{port}/"
    async with (
        server,
        open_session(connector=connector(LOOPBACK_ALLOWED)) as session,
        session.get(url, timeout=timeout) as answer,
    ):
        return answer.status


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("is_silent", [True, False])
def test_cluster_is_reachable_while_one_address_responds(
    monkeypatch: pytest.MonkeyPatch,
    factory: Callable[[], asyncio.AbstractEventLoop],
    is_silent: bool,
) -> None:
    real = socket.getaddrinfo

    def found(host: Any, *args: Any, **options: Any) -> list[Any]:
        if host != NAME:
            return list(real(host, *args, **options))
        every = [real(address, *args, **options) for address in (FIRST, SECOND)]
        return [one for infos in every for one in infos]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((FIRST, 0), backlog=0))
        port = listener.getsockname()[1]
        if is_silent:
            for _ in range(8):
                one = stack.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex((FIRST, port))
        else:
            listener.close()
        with asyncio.Runner(loop_factory=factory) as runner:
            assert runner.run(answered(port)) == 200
