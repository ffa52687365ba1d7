"""Two replicas that reach each other at a Unix socket, or by TCP with TLS."""

import asyncio
import os
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from config.dialing import DialFailed
from config.listen import Listen
from management.tunnels.peer_client import PeerClient
from management.tunnels.peer_proof import PeerProof
from management.tunnels.peer_server import PeerServer
from management.tunnels.peer_sockets import listen_at_address, listen_at_path
from management.tunnels.peer_strangers import Strangers
from management.tunnels.peer_tls import create_identity
from management.tunnels.peer_watch import WatchTiming
from store.agent_records import Replica

KEY = bytes(range(32))
HOLDER, CALLER = "holder-1", "caller-1"

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Return what arrives, and the end of it."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
    except ConnectionError:
        writer.transport.abort()


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send without end, no faster than it is read."""
    try:
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
    except ConnectionError:
        writer.transport.abort()


@dataclass
class TcpDialer:
    """Connects to a server in place of the API server behind a tunnel."""

    port: int
    failure: DialFailed | None = None
    asked: list[tuple[str, float]] = field(default_factory=list)
    hangs_for: str = ""
    """The cluster whose dial never ends."""
    cancelled: bool = False

    async def dial_local(self, cluster_id: str, seconds: float) -> socket.socket:
        self.asked.append((cluster_id, seconds))
        if self.failure is not None:
            raise self.failure
        if self.hangs_for == cluster_id:
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        connection = socket.socket()
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self.port))
        except BaseException:
            connection.close()
            raise
        return connection


@dataclass
class Peers:
    """A replica that holds a tunnel, with its row, and a replica that calls it."""

    replica: Replica
    client: PeerClient
    server: PeerServer
    dialer: TcpDialer
    strangers: Strangers
    folder: Path

    async def connect(
        self, cluster: str = "c-1", seconds: float = 60
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a stream to the cluster."""
        dialed = await self.client.dial(self.replica, cluster, seconds)
        return await asyncio.open_connection(sock=dialed)


@asynccontextmanager
async def peers(
    answer: Answer = echo,
    *,
    tls: bool,
    strangers: Strangers | None = None,
    stranger_seconds: float = 60,
    caller_key: bytes = KEY,
    caller_clock: Callable[[], float] = time.time,
    timing: WatchTiming | None = None,
) -> AsyncIterator[Peers]:
    """Run both replicas. ``tls``: they are on different machines."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = await asyncio.start_server(answer, "127.0.0.1", 0)
        stack.callback(upstream.close)
        dialer = TcpDialer(upstream.sockets[0].getsockname()[1])
        server = PeerServer(
            HOLDER,
            PeerProof([KEY]),
            dialer,
            wall_clock=time.time,
            stranger_seconds=stranger_seconds,
        )
        stack.push_async_callback(server.close)
        identity = create_identity()
        listener = listen_at_address(Listen("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        strangers = strangers or Strangers()
        server.serve(listener, identity.context, strangers)
        path = folder / "0.sock"
        server.serve(listen_at_path(path), None, Strangers())
        replica = Replica(HOLDER, "machine-a", str(path), address, identity.certificate_pem)
        client = PeerClient(
            CALLER,
            "machine-b" if tls else "machine-a",
            PeerProof([caller_key]),
            wall_clock=caller_clock,
            timing=timing,
        )
        stack.push_async_callback(client.close)
        yield Peers(replica, client, server, dialer, strangers, folder)


def open_files() -> int:
    """Return the number of descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))
