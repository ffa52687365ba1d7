"""The relay without the rest of the gate: real sockets on both sides, an upstream that is a script.

The upstream is told byte for byte what to say, for what an API server never says must be tried,
too. What it received is kept.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import HttpVersion11, web

from proxy.connection import GateConnection, relayed
from proxy.exchange import Exchange
from proxy.forward import Outbound, forward
from proxy.gate_server import GateServer
from proxy.inbound_head import read_head
from proxy.pool import PoolLimits, UpstreamPool
from proxy.upgrade import upgrade
from proxy.upstream import UpstreamError
from proxy.upstream_head import body_framing, upgrade_framing

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """A request's head."""
    return await reader.readuntil(b"\r\n\r\n")


def answering(*answers: bytes, close: bool = False) -> Script:
    """A script that answers request after request with those bytes."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await read_request(reader)
            writer.write(answer)
            await writer.drain()
        if not close:
            await reader.read()

    return script


@dataclass
class Relay:
    """A running relay. ``errors`` are the upstream failures that became 502s."""

    port: int
    pool: UpstreamPool
    connections: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    finished: asyncio.Queue[Exchange] = field(default_factory=asyncio.Queue)

    tls: ssl.SSLContext | None = None

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A client connection."""
        return await asyncio.open_connection("127.0.0.1", self.port, limit=2**20, ssl=self.tls)

    async def ask(self, request: bytes) -> bytes:
        """Everything that comes back for ``request`` until the connection ends."""
        reader, writer = await self.open()
        writer.write(request)
        async with asyncio.timeout(20):
            answer = await reader.read()
        writer.close()
        return answer


@asynccontextmanager
async def relay(
    *scripts: Script,
    limits: PoolLimits | None = None,
    tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
) -> AsyncIterator[Relay]:
    """A relay in front of an upstream that runs ``scripts``, one for each connection it gets.

    The last script serves all further connections, too. ``tls`` is for both sides of it: what a
    server and what a client needs.
    """
    opened: list[int] = []
    to_serve, to_connect = tls or (None, None)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = scripts[min(len(opened), len(scripts) - 1)]
        opened.append(1)
        try:
            await script(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    upstream = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=to_serve)
    url = f"http{'s' if tls else ''}://127.0.0.1:{upstream.sockets[0].getsockname()[1]}"
    pool = UpstreamPool([url], (lambda: tls[1]) if tls else None, limits=limits)
    running = Relay(0, pool, opened, tls=to_connect)
    server = GateServer(_handler(running), request_factory=make_request, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=to_serve)
    await site.start()
    running.port = runner.addresses[0][1]
    try:
        yield running
    finally:
        await runner.cleanup()
        pool.abort()
        upstream.close()


def make_request(
    message: Any, payload: Any, protocol: Any, writer: Any, task: Any
) -> web.BaseRequest:
    return web.BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop())


def _handler(running: Relay) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        head = read_head(request.raw_headers)
        client = request.protocol
        assert isinstance(client, GateConnection)
        assert request.transport is not None
        exchange = Exchange(
            client,
            request.transport,
            loop=asyncio.get_running_loop(),
            to_head=request.method == "HEAD",
            http_1_1=request.version >= HttpVersion11,
            keep_alive=request.keep_alive,
            prefix=b"/k8s/clusters/c-1",
            extra=b"",
            wants_upgrade=head.upgrade is not None,
        )
        lines = b"".join(b"%b: %b\r\n" % line for line in head.passed)
        lines += (
            upgrade_framing(head.upgrade)
            if head.upgrade
            else body_framing(head.length, chunked=head.chunked)
        )
        outbound = Outbound(
            request.method,
            request.raw_path,
            lines + b"\r\n",
            has_body=head.chunked or head.length not in {None, b"0"},
            chunked=head.chunked,
            expects_continue=head.expects_continue,
        )
        try:
            if head.upgrade:
                await upgrade(request, client, exchange, running.pool, outbound, idle_timeout=60)
            else:
                await forward(request, exchange, running.pool, outbound)
        except UpstreamError as exc:
            running.errors.append(str(exc))
            return web.Response(status=502, text=str(exc))
        finally:
            running.finished.put_nowait(exchange)
        return relayed(keep_alive=exchange.keep_alive)

    return handle
