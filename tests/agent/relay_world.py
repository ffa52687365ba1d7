"""A server of tunnels, an agent that relays, and what listens behind it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass

from agent.dial import Target, dialed
from agent.dialer import dial_through
from agent.relay import Address, Relay
from agent.tunnel.connection import TunnelConnection
from agent.tunnel.timing import TunnelTiming
from agent.yamux.limits import Limits
from tests.agent.tunnel_peer import Echo, TunnelServer, tunnel_server
from tests.support.fault_proxy import FaultProxy
from tests.support.sekisho import free_port
from tests.support.waiting import eventually

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class World:
    """A server of tunnels, and an agent that relays to ``address``."""

    server: TunnelServer
    agent: TunnelConnection
    ended: list[str]
    network: FaultProxy | None

    @property
    def tunnel(self) -> TunnelConnection:
        """The server's end."""
        return self.server.tunnels[-1]

    async def connect(
        self, seconds: float = 60
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a stream as the proxy would use it."""
        return await asyncio.open_connection(sock=await dial_through(self.tunnel, seconds))


@asynccontextmanager
async def connected(
    serve: Serve | None,
    *,
    timing: TunnelTiming | None = None,
    most: int = 4000,
    limits: Limits | None = None,
    faulty: bool = False,
) -> AsyncIterator[World]:
    """Run a server, an agent, and behind it a TCP server (None: nothing listens there).

    ``faulty``: the agent reaches the server over a network whose faults the test decides.
    """
    backend = await asyncio.start_server(serve, "127.0.0.1", 0) if serve else None
    port = backend.sockets[0].getsockname()[1] if backend else free_port()
    relay, ended = Relay(Address("127.0.0.1", port), most=most), list[str]()
    async with tunnel_server(Echo, timing=timing, limits=limits) as server:
        agent = TunnelConnection(
            client=True,
            accept=lambda number: relay.accept(agent, number),
            lost=ended.append,
            timing=timing,
            limits=limits,
        )
        with FaultProxy(server.port) if faulty else nullcontext() as network:
            url = f"http://127.0.0.1:{network.port}" if network else server.url
            async with dialed(Target(url, "agent-token"), agent):
                await eventually(lambda: server.tunnels)
                yield World(server, agent, ended, network)
    if backend is not None:
        backend.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read nothing, and send nothing."""
    await asyncio.sleep(3600)


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send without end."""
    try:
        while True:
            writer.write(bytes(65536))
            await writer.drain()
    except OSError:
        pass
