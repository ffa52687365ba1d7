"""A TLS server that sends scripted bytes, for responses that no API server sends.

It runs on an event loop in a separate thread. The request's path selects the script.
"""

import asyncio
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from proxy.demo.pki import write_private
from proxy.transport.certificates import KeyPair, create_authority, issue_server
from tests.support.fault_proxy import reset
from tests.support.loop_server import LoopServer

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request with the connection for its response."""

    head: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def line(self) -> str:
        """Return the request line without the version, such as ``GET /x?y``."""
        return self.head.partition(b"\r\n")[0].decode().rpartition(" ")[0]

    async def send(self, *pieces: bytes) -> None:
        """Send bytes. Raises ConnectionError if the client has disconnected."""
        for piece in pieces:
            if self.writer.is_closing():
                raise ConnectionResetError
            self.writer.write(piece)
            await self.writer.drain()
            # If drain does not wait, the loop has not yet processed a lost connection.
            await asyncio.sleep(0)

    async def wait_until_closed(self) -> None:
        """Send nothing until the client disconnects."""
        while await self.reader.read(65536):
            pass

    def reset(self) -> None:
        """Close the connection with RST."""
        reset(self.writer.transport)


Script = Callable[[ReceivedRequest], Awaitable[None]]


def send_and_close(*pieces: bytes) -> Script:
    """Return a script that sends these bytes and closes the connection."""

    async def script(received: ReceivedRequest) -> None:
        await received.send(*pieces)
        received.writer.close()

    return script


def respond_json(body: bytes = b"{}", status: bytes = b"200 OK") -> Script:
    """Return a script that sends a valid response and keeps the connection."""

    async def script(received: ReceivedRequest) -> None:
        await received.send(
            b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (status, len(body), body)
        )

    return script


def make_authority() -> KeyPair:
    """Create a CA for tests."""
    return create_authority("scripted", lifetime=30 * DAY, now=datetime.now(UTC))


def issue(authority: KeyPair, *, name: str = "127.0.0.1", age: timedelta = timedelta(0)) -> KeyPair:
    """Issue a server certificate for ``name``, valid for a day, issued ``age`` ago."""
    issued = datetime.now(UTC) - age
    return issue_server(authority, common_name="scripted", names=[name], lifetime=DAY, now=issued)


class ScriptedApiServer(LoopServer):
    """A scripted API server; a context manager. Paths without script return ``{}``.

    ``received`` contains the received request lines in order.
    """

    def __init__(self, certificate: KeyPair) -> None:
        super().__init__()
        self.scripts: dict[str, Script] = {}
        self.received: list[str] = []
        self._certificate = certificate
        self._writers: set[asyncio.StreamWriter] = set()

    def listen(self) -> None:
        """Accept connections, also after :meth:`disconnect`."""
        self._thread.call(self._listen())

    def disconnect(self) -> None:
        """Reset all connections and stop listening."""
        self._thread.call(self._stop())

    async def _listen(self) -> None:
        context = _context(self._certificate)
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=context, reuse_port=True, backlog=512
        )

    async def _stop(self) -> None:
        self._stop_listening()
        for writer in list(self._writers):
            reset(writer.transport)
        await self._end_tasks()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while not writer.is_closing():
                received = ReceivedRequest(await reader.readuntil(b"\r\n\r\n"), reader, writer)
                self.received.append(received.line)
                path = received.line.partition(" ")[2].partition("?")[0]
                await self.scripts.get(path, respond_json())(received)
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


def _context(certificate: KeyPair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        chain, key = Path(folder) / "chain", Path(folder) / "key"
        chain.write_bytes(certificate.certificate_pem)
        write_private(key, certificate.key_pem)
        context.load_cert_chain(chain, key)
    return context
