"""A replica of the server as the agent sees it: tunnels, with a control stream each.

Run as a module, it is a process of its own: ``python -m tests.agent.run.gates PORT REPLICA``.
"""

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from agent.dialer import dial_through
from agent.tunnel.connection import TunnelConnection
from agent.tunnel.control import Drain, Hello, Message, Welcome
from agent.tunnel.control_stream import ControlStream
from agent.tunnel.stream_handler import StreamHandler
from agent.tunnel.timing import TunnelTiming
from tests.agent.tunnel_peer import TunnelServer, tunnel_server


@dataclass
class Gate:
    """A replica. ``hellos`` are what its agents sent; ``controls`` are their control streams."""

    replica: str
    machine: str
    server: TunnelServer = field(default_factory=TunnelServer)
    hellos: list[Hello] = field(default_factory=list)
    controls: dict[TunnelConnection, ControlStream] = field(default_factory=dict)

    def accept(self, tunnel: TunnelConnection, number: int) -> StreamHandler:
        """Handle the control stream of an agent."""

        def received(message: Message) -> None:
            if isinstance(message, Hello):
                self.hellos.append(message)
                control.send(Welcome("0.0.0", self.replica, self.machine))

        control = self.controls[tunnel] = ControlStream(tunnel, received, number)
        return control

    @property
    def usable(self) -> list[TunnelConnection]:
        """The tunnels in which streams can be opened."""
        return [one for one in self.controls if one.usable]

    def drain(self) -> None:
        """Announce to all agents that this replica ends."""
        for tunnel in self.usable:
            self.controls[tunnel].send(Drain("the server restarts"))

    async def connect(
        self, tunnel: TunnelConnection | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a stream through a tunnel, as the proxy would use it."""
        found = await dial_through(tunnel or self.usable[-1], 60)
        return await asyncio.open_connection(sock=found)


@asynccontextmanager
async def gate(
    replica: str = "a",
    machine: str = "",
    *,
    tls: ssl.SSLContext | None = None,
    port: int = 0,
    timing: TunnelTiming | None = None,
) -> AsyncIterator[Gate]:
    """Run a replica on the loopback interface."""
    made = Gate(replica, machine or f"machine of {replica}")
    async with tunnel_server(made.accept, tls=tls, port=port, timing=timing) as server:
        made.server = server
        yield made


async def _serve(port: int, replica: str) -> None:
    async with gate(replica, port=port):
        await asyncio.sleep(3600)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), sys.argv[2]))
