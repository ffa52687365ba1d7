"""Ends of tunnels for tests: a Python server of tunnels, and hashicorp/yamux as a peer."""

import asyncio
import os
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from agent.tunnel.connection import TunnelConnection
from agent.tunnel.stream_handler import StreamHandler
from agent.tunnel.timing import TunnelTiming
from agent.websocket.handshake import response_headers
from agent.yamux.limits import Limits

PEER = Path(__file__).parent / "peer"


@dataclass
class Echo:
    """Returns what a stream receives, no faster than it can be sent."""

    tunnel: TunnelConnection
    stream_id: int
    waiting: bytearray = field(default_factory=bytearray)
    finished: bool = False
    reset: bool = False

    def stream_data(self, data: bytes) -> None:
        self.waiting += data
        self._continue()

    def stream_finished(self) -> None:
        self.finished = True
        self._continue()

    def stream_reset(self) -> None:
        self.reset = True

    def stream_writable(self) -> None:
        self._continue()

    def _continue(self) -> None:
        while self.waiting and (room := self.tunnel.session.room(self.stream_id)):
            part = bytes(self.waiting[:room])
            del self.waiting[:room]
            self.tunnel.send(self.stream_id, part)
            self.tunnel.consume(self.stream_id, len(part))
        if self.finished and not self.waiting:
            self.tunnel.finish(self.stream_id)


@dataclass
class TunnelServer:
    """Accepts tunnels. ``make`` returns the handler of a stream that the agent opens."""

    port: int = 0
    tunnels: list[TunnelConnection] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    refusal: bytes | None = None
    """The response that agents get in place of a tunnel."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Handshake(asyncio.Protocol):
    """Reads the request, and gives the connection to a tunnel."""

    def __init__(self, server: TunnelServer, make: Callable[[], TunnelConnection]) -> None:
        self._server, self._make = server, make
        self._head = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end:
            return
        lines = head.decode().split("\r\n")[1:]
        headers = dict(line.split(": ", 1) for line in lines)
        self._server.requests.append(headers)
        assert self._transport is not None
        if self._server.refusal is not None:
            self._transport.write(self._server.refusal)
            self._transport.close()
            return
        # Go's client names no subprotocol.
        asked = {"Sec-WebSocket-Protocol": "sekisho.tunnel.1", **headers}
        answer = response_headers(asked)
        if not any(name.lower() == "sec-websocket-protocol" for name in headers):
            del answer["Sec-WebSocket-Protocol"]
        text = "".join(f"{name}: {value}\r\n" for name, value in answer.items())
        self._transport.write(f"HTTP/1.1 101 Switching Protocols\r\n{text}\r\n".encode())
        tunnel = self._make()
        self._server.tunnels.append(tunnel)
        self._transport.set_protocol(tunnel)
        tunnel.connection_made(self._transport)
        if rest:
            tunnel.data_received(rest)


@asynccontextmanager
async def tunnel_server(
    accept: Callable[[TunnelConnection, int], StreamHandler] = Echo,
    *,
    limits: Limits | None = None,
    timing: TunnelTiming | None = None,
    tls: ssl.SSLContext | None = None,
    port: int = 0,
) -> AsyncIterator[TunnelServer]:
    """Run a server of tunnels on the loopback interface."""
    found = TunnelServer()

    def make() -> TunnelConnection:
        tunnel = TunnelConnection(
            client=False,
            accept=lambda stream_id: accept(tunnel, stream_id),
            lost=found.ended.append,
            limits=limits,
            timing=timing,
        )
        return tunnel

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Handshake(found, make), "127.0.0.1", port, ssl=tls)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        for tunnel in found.tunnels:
            tunnel.close("the test has ended")


@pytest.fixture(scope="session")
def yamux_peer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build hashicorp/yamux as a peer, from its Go module."""
    if shutil.which("go") is None:
        if os.environ.get("CI"):
            pytest.fail("Go is not installed")
        pytest.skip("install Go (Debian: golang-go) to test with hashicorp/yamux")
    program = tmp_path_factory.mktemp("peer") / "tunnelpeer"
    settings = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    subprocess.run(
        ["go", "build", "-o", program, "."], cwd=PEER, env=os.environ | settings, check=True
    )
    return program
