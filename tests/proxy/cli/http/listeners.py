"""Servers on real sockets that send prepared bytes."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from proxy.cli.http.exchange import exchange

TLS = ssl.create_default_context()
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Run ``handler`` for each connection and yield the port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


def sending(*pieces: bytes) -> Handler:
    """Return a handler that reads a request's head and sends ``pieces``."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return handler


async def fetch(*pieces: bytes, most: int = 1000) -> bytes:
    async with (
        listening(sending(*pieces)) as port,
        exchange("GET", f"http://127.0.0.1:{port}/v1", tls=TLS) as response,
    ):
        assert response.status == 200
        return await response.read(most)


HEAD = b"HTTP/1.1 200 OK\r\n"
