"""An agent for tests: the agent's half of a tunnel, with its control stream."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from agent.dial import Target, dialed
from agent.relay import Address, Relay
from agent.tunnel.connection import TunnelConnection
from agent.tunnel.control import ControlReader as Reader
from agent.tunnel.control import Drain, Hello, Message, Refused, Welcome, encode
from agent.tunnel.timing import TunnelTiming

HELLO = Hello("1.2.0", "agent-abc", "node-1", "kubernetes.default.svc")


@dataclass
class TestAgent:
    """One tunnel of an agent. ``received`` are the server's messages, ``ended`` the reason."""

    __test__ = False

    address: Address = field(default_factory=lambda: Address("127.0.0.1", 1))
    hello: Hello = HELLO
    timing: TunnelTiming | None = None
    received: list[Message] = field(default_factory=list)
    ended: str = ""

    def __post_init__(self) -> None:
        relay = Relay(self.address)
        self._reader = Reader()
        self.tunnel: TunnelConnection = TunnelConnection(
            client=True,
            accept=lambda stream_id: relay.accept(self.tunnel, stream_id),
            lost=self._lost,
            timing=self.timing,
        )
        self.control = 0

    def introduce(self) -> None:
        """Open the control stream and send the first message."""
        self.control = self.tunnel.open(self)
        self.tunnel.send(self.control, encode(self.hello))

    @property
    def welcome(self) -> Welcome | None:
        """Return the server's first message."""
        return next((one for one in self.received if isinstance(one, Welcome)), None)

    @property
    def drained(self) -> bool:
        """Return whether the server asked for a tunnel elsewhere."""
        return any(isinstance(one, Drain) for one in self.received)

    @property
    def refused(self) -> str:
        """Return why the server uses the tunnel for no request; empty if it does."""
        return next((one.reason for one in self.received if isinstance(one, Refused)), "")

    def send_line(self, body: object) -> None:
        """Send a message, which need not be one that servers know."""
        self.tunnel.send(self.control, json.dumps(body).encode() + b"\n")

    def stream_data(self, data: bytes) -> None:
        self.received += self._reader.read(data)
        self.tunnel.consume(self.control, len(data))

    def stream_finished(self) -> None:
        pass

    def stream_reset(self) -> None:
        pass

    def stream_writable(self) -> None:
        pass

    def _lost(self, reason: str) -> None:
        self.ended = reason


@asynccontextmanager
async def open_tunnel(target: Target, agent: TestAgent | None = None) -> AsyncIterator[TestAgent]:
    """Open a tunnel to a server, and introduce the agent. Raises DialError."""
    agent = agent or TestAgent()
    async with dialed(target, agent.tunnel):
        agent.introduce()
        yield agent


@asynccontextmanager
async def echo_server() -> AsyncIterator[Address]:
    """Run a server that returns what it receives, in place of an API server."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    try:
        yield Address("127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()
