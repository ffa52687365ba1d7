"""Tests of the server's end of a tunnel against agents that break the protocol."""

import asyncio
import json

from agent.tunnel.control import Welcome
from management.tunnels.agent_tunnel import AgentTunnel
from management.tunnels.directory import TunnelDirectory
from store.agent_records import Replica
from store.database import SqlStore
from tests.management.tunnels.conftest import OWNER, connected
from tests.support.agents import TestAgent
from tests.support.waiting import eventually

HERE = Replica("r-here", "machine-1")


async def test_agent_is_welcomed_with_the_replica_and_the_machine(store: SqlStore) -> None:
    agent = TestAgent()
    async with connected(TunnelDirectory(store, HERE), agent):
        assert agent.welcome is not None
        assert (agent.welcome.replica, agent.welcome.machine) == ("r-here", "machine-1")


async def test_second_hello_changes_nothing(store: SqlStore) -> None:
    directory, agent = TunnelDirectory(store, HERE), TestAgent()
    async with connected(directory, agent):
        agent.send_line({"type": "hello", "pod": "another", "cluster": "c-other"})
        agent.send_line({"type": "drain"})
        await eventually(lambda: directory.ways("c-edge") == 0)
        assert [one.pod for one in directory.agents("c-edge")] == ["agent-abc"]
        assert directory.agents("c-other") == []


async def test_agent_that_opens_a_second_stream_loses_its_tunnel(store: SqlStore) -> None:
    directory, agent = TunnelDirectory(store, HERE), TestAgent()
    async with connected(directory, agent):
        agent.tunnel.open(agent)
        await eventually(lambda: "opened a second stream" in agent.ended, what=lambda: agent.ended)
    assert directory.agents("c-edge") == []


async def test_message_that_is_no_json_ends_the_tunnel(store: SqlStore) -> None:
    directory, agent = TunnelDirectory(store, HERE), TestAgent()
    async with connected(directory, agent):
        agent.tunnel.send(agent.control, b"{\n")
        await eventually(lambda: "not JSON" in agent.ended, what=lambda: agent.ended)


async def test_message_without_an_end_is_bounded(store: SqlStore) -> None:
    directory, agent = TunnelDirectory(store, HERE), TestAgent()
    async with connected(directory, agent):
        agent.tunnel.send(agent.control, json.dumps("x" * 20_000).encode())
        await eventually(lambda: "too long" in agent.ended, what=lambda: agent.ended)


async def test_end_of_the_control_stream_ends_the_tunnel(store: SqlStore) -> None:
    directory, agent = TunnelDirectory(store, HERE), TestAgent()
    async with connected(directory, agent):
        agent.tunnel.finish(agent.control)
        await eventually(lambda: "ended the control stream" in agent.ended)


async def test_agent_that_does_not_introduce_itself_is_closed(store: SqlStore) -> None:
    directory, agent = TunnelDirectory(store, HERE), TestAgent()
    tunnel = AgentTunnel(
        OWNER,
        Welcome(),
        ready=directory.add,
        ended=lambda one, reason: directory.remove(one),
        hello_seconds=0.2,
    )
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: tunnel.connection, "127.0.0.1", 0)
    await loop.create_connection(lambda: agent.tunnel, *server.sockets[0].getsockname())
    await eventually(lambda: "did not introduce itself" in agent.ended, what=lambda: agent.ended)
    server.close()
    assert directory.ways("c-edge") == 0
