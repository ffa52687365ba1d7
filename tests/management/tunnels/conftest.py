"""Fixtures: stores of two replicas on one database, and tunnels over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from socket import socket

import pytest

from agent.tunnel.control import Welcome
from management.tunnels.agent_tunnel import AgentTunnel, TunnelOwner
from management.tunnels.directory import TunnelDirectory
from store.agent_records import AgentToken, agent_token_digest
from store.database import SqlStore, open_store
from store.encryption import Keyring
from tests.store.records import NOW, a_cluster
from tests.support.agents import TestAgent
from tests.support.waiting import eventually

DIGEST = agent_token_digest("agent-token")
OWNER = TunnelOwner("c-edge", "edge", "at-1", DIGEST)


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[tuple[SqlStore, SqlStore]]:
    """Open the database twice, as two workers do, with a cluster and a token of its agent."""
    url = f"sqlite:///{tmp_path}/store.db"
    keyring = Keyring([b"k" * 32])
    first = await open_store(url, keyring, poll_interval=0.05)
    second = await open_store(url, keyring, poll_interval=0.05)
    await first.clusters.create(a_cluster("edge", reach="agent"))
    await first.agent_tokens.create(AgentToken("at-1", "c-edge", DIGEST, NOW))
    yield first, second
    await first.close()
    await second.close()


@pytest.fixture
def store(stores: tuple[SqlStore, SqlStore]) -> SqlStore:
    return stores[0]


@asynccontextmanager
async def connected(
    directory: TunnelDirectory,
    agent: TestAgent,
    owner: TunnelOwner = OWNER,
    *,
    through: Callable[[int], Awaitable[int]] | None = None,
) -> AsyncIterator[AgentTunnel]:
    """Open a tunnel of an agent at a directory, and wait until it is used.

    ``through`` returns the port of a relay to a port.
    """
    tunnel = AgentTunnel(
        owner,
        Welcome("1.2.0", directory.replica.id, directory.replica.machine),
        ready=directory.add,
        ended=lambda one, reason: directory.remove(one),
    )
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: tunnel.connection, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    if through is not None:
        port = await through(port)
    await loop.create_connection(lambda: agent.tunnel, host, port)
    agent.introduce()
    await eventually(lambda: agent.welcome is not None)
    server.close()
    try:
        yield tunnel
    finally:
        agent.tunnel.close("the test has ended")
        tunnel.connection.close("the test has ended")
        await eventually(lambda: bool(agent.ended) and not tunnel.connection.usable)


async def echoes(found: socket) -> bool:
    """Return whether bytes return through a dialed socket, and close it."""
    loop = asyncio.get_running_loop()
    with found:
        await loop.sock_sendall(found, b"hello")
        async with asyncio.timeout(60):
            return await loop.sock_recv(found, 100) == b"hello"
