"""A wire between the store and PostgreSQL that a test can cut, or silence without a word."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit


class Relay:
    """Passes bytes on. While ``silent`` nothing passes, and nobody is told."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._open: set[asyncio.StreamWriter] = set()
        self._passing = asyncio.Event()
        self._passing.set()

    def silence(self) -> None:
        """From now on bytes wait."""
        self._passing.clear()

    def resume(self) -> None:
        """Bytes that waited pass."""
        self._passing.set()

    def cut(self) -> None:
        """Break every connection."""
        for writer in self._open:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        await self._passing.wait()
        with contextlib.suppress(OSError):
            there, back = await asyncio.open_connection(*self._upstream)
            self._open |= {writer, back}
            try:
                await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
            finally:
                self._open -= {writer, back}
                writer.close()
                back.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._passing.wait()
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError


@contextlib.asynccontextmanager
async def relayed(url: str) -> AsyncIterator[tuple[str, Relay]]:
    """A URL that leads through a relay to the database at ``url``."""
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
