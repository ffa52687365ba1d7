"""The relay of responses without the rest of the proxy, on real sockets.

The upstream runs scripts that send given bytes, including responses that no API server sends.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import HttpVersion11, web

from impersonation.request_headers import body_framing, upgrade_framing
from proxy.client.connection import RELAYED, ClientConnection
from proxy.client.server import ProxyServer
from proxy.forwarding.awaited_response import AwaitedResponse
from proxy.forwarding.forward import forward
from proxy.forwarding.upgrade import upgrade
from proxy.request.headers import parse_headers
from proxy.request.request_line import may_delay_response
from proxy.request.target import is_proxy_subresource
from proxy.request.upstream_request import UpstreamRequest
from proxy.response.references import NO_UPSTREAMS, Upstreams, upstreams_of
from proxy.response.relay import RelayOptions
from proxy.response.status import status_response
from proxy.upstream.errors import UpstreamError
from proxy.upstream.limits import PoolLimits
from proxy.upstream.pool import ConnectionPool

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Read a request head."""
    return await reader.readuntil(b"\r\n\r\n")


def respond_with(*responses: bytes, close: bool = False) -> Script:
    """Return a script that sends one of ``responses`` for each request."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for response in responses:
            await read_request(reader)
            writer.write(response)
            await writer.drain()
        if not close:
            await reader.read()

    return script


@dataclass
class RunningRelay:
    """A running relay. ``errors`` contains the upstream failures that became 502.

    ``responses`` keeps only the last one, because each holds its connections.
    """

    port: int
    pool: ConnectionPool
    connections: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    responses: deque[AwaitedResponse] = field(default_factory=lambda: deque(maxlen=1))
    finished: asyncio.Queue[AwaitedResponse] = field(default_factory=asyncio.Queue)

    tls: ssl.SSLContext | None = None
    upstreams: Upstreams = NO_UPSTREAMS

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a client connection."""
        return await asyncio.open_connection("127.0.0.1", self.port, limit=2**20, ssl=self.tls)

    async def request(self, request: bytes) -> bytes:
        """Send ``request`` and return all bytes until the connection ends."""
        reader, writer = await self.open()
        writer.write(request)
        async with asyncio.timeout(60):
            response = await reader.read()
        writer.close()
        return response


@asynccontextmanager
async def relay(
    *scripts: Script,
    limits: PoolLimits | None = None,
    tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
) -> AsyncIterator[RunningRelay]:
    """Run a relay in front of an upstream that runs one of ``scripts`` per connection.

    The last script serves all further connections. ``tls`` has the contexts of a server and of a
    client, for both sides of the relay.
    """
    connections: list[int] = []
    to_serve, to_connect = tls or (None, None)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = scripts[min(len(connections), len(scripts) - 1)]
        connections.append(1)
        try:
            await script(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    upstream = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=to_serve)
    url = f"http{'s' if tls else ''}://127.0.0.1:{upstream.sockets[0].getsockname()[1]}"
    pool = ConnectionPool([url], (lambda: tls[1]) if tls else None, limits=limits)
    running = RunningRelay(0, pool, connections, tls=to_connect)
    running.upstreams = upstreams_of([url], "/k8s/clusters/c-1")
    server = ProxyServer(_handler(running), request_factory=make_request, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=1)
    try:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=to_serve)
        await site.start()
        running.port = runner.addresses[0][1]
        yield running
    finally:
        await runner.cleanup()
        pool.abort()
        upstream.close()


def make_request(
    message: Any, payload: Any, protocol: Any, writer: Any, task: Any
) -> web.BaseRequest:
    return web.BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop())


def _handler(running: RunningRelay) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        head = parse_headers(request.raw_headers)
        client = request.protocol
        assert isinstance(client, ClientConnection)
        assert request.transport is not None
        exchange = AwaitedResponse(
            client,
            request.transport,
            RelayOptions(
                prefix=b"/k8s/clusters/c-1",
                target=request.raw_path.encode(),
                upstreams=running.upstreams,
                to_head=request.method == "HEAD",
                http_1_1=request.version >= HttpVersion11,
                keep_alive=request.keep_alive,
                wants_upgrade=head.upgrade is not None,
                proxied=is_proxy_subresource(request.raw_path),
                watch="watch=1" in request.raw_path,
            ),
        )
        running.responses.append(exchange)
        lines = b"".join(b"%b: %b\r\n" % line for line in head.forwarded)
        lines += (
            upgrade_framing(head.upgrade)
            if head.upgrade
            else body_framing(head.length, chunked=head.chunked)
        )
        outbound = UpstreamRequest(
            request.method,
            request.raw_path,
            lines + b"\r\n",
            has_body=head.chunked or head.length not in {None, b"0"},
            chunked=head.chunked,
            may_delay_response=may_delay_response(request.raw_path),
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
        except asyncio.CancelledError:
            if (refusal := exchange.take_refusal()) is None:
                raise
            return status_response(refusal, "the-id")
        finally:
            running.finished.put_nowait(exchange)
        return RELAYED[exchange.keep_alive]

    return handle
