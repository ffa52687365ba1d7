"""A relay between the store and PostgreSQL that a test can cut or silence."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit


class Relay:
    """Relay of bytes. After ``silence`` it delays all bytes and reports no error."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._open: set[asyncio.StreamWriter] = set()
        self._passing = asyncio.Event()
        self._passing.set()

    def silence(self) -> None:
        """Delay all bytes until ``resume``."""
        self._passing.clear()

    def resume(self) -> None:
        """Send the delayed bytes, and no longer delay any."""
        self._passing.set()

    def cut(self) -> None:
        """Break every connection."""
        for writer in self._open:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection."""
        await self._passing.wait()
        with contextlib.suppress(OSError):
            upstream_reader, upstream_writer = await asyncio.open_connection(*self._upstream)
            self._open |= {writer, upstream_writer}
            try:
                await asyncio.gather(
                    self._pump(reader, upstream_writer), self._pump(upstream_reader, writer)
                )
            finally:
                self._open -= {writer, upstream_writer}
                writer.close()
                upstream_writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._passing.wait()
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError


@contextlib.asynccontextmanager
async def relayed(url: str) -> AsyncIterator[tuple[str, Relay]]:
    """Yield a URL that reaches the database at ``url`` through a relay, and that relay."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    relay = Relay(parts.hostname, parts.port)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield url.replace(f":{parts.port}/", f":{port}/"), relay
    finally:
        relay.resume()
        relay.cut()
        server.close()
