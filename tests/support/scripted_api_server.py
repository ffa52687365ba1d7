"""A TLS server that says what a script tells it to, byte for byte: what no API server ever says.

It runs on a loop in a thread of its own. A script is chosen by the request's path.
"""

import asyncio
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from proxy.certificates import KeyPair, create_authority, issue_server
from proxy.demo.downstream import Reserved
from proxy.demo.pki import write_private
from tests.parts.fault_proxy import reset
from tests.parts.loop_thread import LoopThread

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, and the connection to answer it on."""

    head: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def line(self) -> str:
        """The request line without the version: ``GET /x?y``."""
        return self.head.partition(b"\r\n")[0].decode().rpartition(" ")[0]

    async def say(self, *pieces: bytes) -> None:
        """Send these bytes. Raises ConnectionError once the other side has gone."""
        for piece in pieces:
            if self.writer.is_closing():
                raise ConnectionResetError
            self.writer.write(piece)
            await self.writer.drain()
            # A drain that needn't wait doesn't let the loop tell us that the connection is lost.
            await asyncio.sleep(0)

    async def hang(self) -> None:
        """Say nothing until the other side has gone."""
        while await self.reader.read(65536):
            pass

    def reset(self) -> None:
        """End the connection with RST."""
        reset(self.writer.transport)


Script = Callable[[Asked], Awaitable[None]]


def saying(*pieces: bytes) -> Script:
    """A script that says these bytes and then closes."""

    async def script(asked: Asked) -> None:
        await asked.say(*pieces)
        asked.writer.close()

    return script


def answering(body: bytes = b"{}", status: bytes = b"200 OK") -> Script:
    """A script that answers well, and takes the next request."""

    async def script(asked: Asked) -> None:
        await asked.say(
            b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (status, len(body), body)
        )

    return script


def make_authority() -> KeyPair:
    """An authority of the tests' own."""
    return create_authority("scripted", lifetime=30 * DAY, now=datetime.now(UTC))


def issue(authority: KeyPair, *, name: str = "127.0.0.1", age: timedelta = timedelta(0)) -> KeyPair:
    """A server's certificate for ``name`` for a day; ``age`` long ago."""
    issued = datetime.now(UTC) - age
    return issue_server(authority, common_name="scripted", names=[name], lifetime=DAY, now=issued)


class ScriptedMaster:
    """An "API server", inside ``with``. Requests whose path has no script get ``{}``.

    ``asked`` are the request lines it got, in order.
    """

    def __init__(self, certificate: KeyPair) -> None:
        self.scripts: dict[str, Script] = {}
        self.asked: list[str] = []
        self._certificate = certificate
        self._reserved = Reserved.take()
        self._thread = LoopThread()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._reserved.port

    @property
    def url(self) -> str:
        """Where the gate finds it."""
        return f"https://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.__enter__()
        self.listen()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.call(self._leave())
        self._thread.__exit__(kind, error, trace)
        self._reserved.socket.close()

    def listen(self) -> None:
        """Take connections (again)."""
        self._thread.call(self._listen())

    def leave(self) -> None:
        """Vanish: reset every connection and take none."""
        self._thread.call(self._leave())

    async def _listen(self) -> None:
        context = _context(self._certificate)
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=context, reuse_port=True, backlog=512
        )

    async def _leave(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            reset(writer.transport)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while not writer.is_closing():
                asked = Asked(await reader.readuntil(b"\r\n\r\n"), reader, writer)
                self.asked.append(asked.line)
                path = asked.line.partition(" ")[2].partition("?")[0]
                await self.scripts.get(path, answering())(asked)
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
