"""A dialer over real tunnels: agents that relay to one port, each over its own faulty network.

Server and agents run on the event loop of the test, with real sockets in between.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from agent.dial import Target, dialed
from agent.dialer import dial_through
from agent.relay import Address, Relay
from agent.tunnel.connection import TunnelConnection
from agent.tunnel.status import Status, StreamRefusedError
from config.dialing import DialFailed
from tests.agent.tunnel_peer import TunnelServer, tunnel_server
from tests.support.fault_proxy import FaultProxy
from tests.support.waiting import eventually


@dataclass
class Way:
    """A tunnel: the server's end, the agent's end, and the network in between."""

    tunnel: TunnelConnection
    agent: TunnelConnection
    network: FaultProxy


@dataclass
class AgentDialer:
    """A dialer that uses the first of its tunnels that works. ``dials`` counts the sockets."""

    connect: Callable[[], Awaitable[Way]]
    ways_made: list[Way] = field(default_factory=list)
    dials: int = 0
    suspended_at: float = 0.0

    async def add_way(self) -> None:
        """Connect another agent."""
        self.ways_made.append(await self.connect())

    async def cut(self) -> None:
        """Break the first tunnel that works."""
        await asyncio.to_thread(self._usable()[0].network.cut)

    @property
    def ways(self) -> int:
        return len(self._usable())

    @property
    def streams(self) -> int:
        """Return how many streams are open in the usable tunnels, at both ends."""
        return sum(one.tunnel.streams + one.agent.streams for one in self._usable())

    async def dial(self, seconds: float) -> socket.socket:
        failure = DialFailed("no_agent", "no tunnel is open")
        for way in self._usable():
            try:
                sock = await dial_through(way.tunnel, seconds)
            except StreamRefusedError as exc:
                failure = _failure(exc)
            else:
                self.dials += 1
                return sock
        raise failure

    def _usable(self) -> list[Way]:
        return [one for one in self.ways_made if one.tunnel.usable]


def _failure(exc: StreamRefusedError) -> DialFailed:
    kinds = {Status.REFUSED: "refused", Status.TIMEOUT: "timeout", Status.LIMIT: "limit"}
    return DialFailed(kinds.get(exc.status, "failed"), str(exc))


@asynccontextmanager
async def agents(port: int, count: int = 1, *, most: int = 4000) -> AsyncIterator[AgentDialer]:
    """Run agents that relay to a port of the loopback interface, and yield their dialer.

    ``most`` is how many streams each agent takes.
    """
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(tunnel_server())
        dialer = AgentDialer(partial(_connected, stack, server, port, most))
        for _ in range(count):
            await dialer.add_way()
        yield dialer


async def _connected(stack: AsyncExitStack, server: TunnelServer, port: int, most: int) -> Way:
    relay = Relay(Address("127.0.0.1", port), most=most)
    agent = TunnelConnection(
        client=True,
        accept=lambda number: relay.accept(agent, number),
        lost=lambda reason: None,
    )
    # Its thread is started and ended elsewhere: it must not block this loop, which carries data.
    network = FaultProxy(server.port)
    await asyncio.to_thread(network.__enter__)
    stack.push_async_callback(asyncio.to_thread, network.__exit__, None, None, None)
    known = len(server.tunnels)
    url = f"http://127.0.0.1:{network.port}"
    await stack.enter_async_context(dialed(Target(url, "agent-token"), agent))
    await eventually(lambda: len(server.tunnels) > known)
    return Way(server.tunnels[-1], agent, network)
