"""Tests of the ways to a cluster through tunnels, over real sockets and a real store."""

import asyncio
from datetime import timedelta
from socket import socket, socketpair

import pytest

from agent.tunnel.control import Drain, encode
from config.dialing import Dialer, DialFailed
from management.tunnels.directory import TunnelDirectory
from store.agent_records import Replica, Trust, Tunnel
from store.database import SqlStore
from tests.management.tunnels.conftest import connected, echoes
from tests.store.records import NOW
from tests.support.agents import TestAgent, echo_server
from tests.support.waiting import eventually

HERE, THERE = Replica("r-here", "machine-1"), Replica("r-there", "machine-2")


class Elsewhere:
    """A way through other replicas, whose end the test holds."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.ends: list[socket] = []
        self.fails = False

    async def dial(self, replica: Replica, cluster_id: str, seconds: float) -> socket:
        self.asked.append((replica.id, cluster_id))
        if self.fails:
            raise DialFailed("failed", "the replica is away")
        near, far = socketpair()
        near.setblocking(False)
        self.ends.append(far)
        return near


async def test_dial_goes_through_a_tunnel_of_this_process(store: SqlStore) -> None:
    directory = TunnelDirectory(store, HERE)
    async with echo_server() as address, connected(directory, TestAgent(address)) as tunnel:
        dialer: Dialer = directory.dialer("c-edge")
        assert dialer.ways == 1
        assert await echoes(await dialer.dial(10))
        (agent,) = directory.agents("c-edge")
        assert (agent.pod, agent.node, agent.version) == ("agent-abc", "node-1", "1.2.0")
        assert agent.since == tunnel.since
        assert agent.streams is not None
        await eventually(lambda: directory.agents("c-edge")[0].rtt)
    assert directory.dialer("c-edge").ways == 0


async def test_agent_that_cannot_reach_its_api_server_is_reported_with_its_kind(
    store: SqlStore,
) -> None:
    directory = TunnelDirectory(store, HERE)
    async with connected(directory, TestAgent()):
        with pytest.raises(DialFailed, match="the cluster's agent: ") as failed:
            await directory.dial("c-edge", 10)
    assert failed.value.kind == "refused"


async def test_next_tunnel_is_tried_after_a_failure(store: SqlStore) -> None:
    directory = TunnelDirectory(store, HERE)
    async with (
        echo_server() as address,
        connected(directory, TestAgent()),
        connected(directory, TestAgent(address)),
    ):
        assert directory.ways("c-edge") == 2
        for _ in range(4):
            assert await echoes(await directory.dial("c-edge", 10))


class Freezing:
    """A relay that passes nothing on while it is frozen."""

    def __init__(self) -> None:
        self.flows = asyncio.Event()
        self.flows.set()

    async def __call__(self, port: int) -> int:
        async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(65536):
                await self.flows.wait()
                writer.write(data)
            writer.close()

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

        server = await asyncio.start_server(relay, "127.0.0.1", 0)
        found: int = server.sockets[0].getsockname()[1]
        return found


async def test_frozen_tunnel_takes_its_share_of_a_dial_and_then_comes_last(
    store: SqlStore,
) -> None:
    directory, relay = TunnelDirectory(store, HERE), Freezing()
    async with (
        echo_server() as address,
        connected(directory, TestAgent(address), through=relay),
        connected(directory, TestAgent(address)),
    ):
        relay.flows.clear()
        # Whichever is tried first, the other one has half of the time left.
        assert await echoes(await directory.dial("c-edge", 8))
        await eventually(lambda: directory.ways("c-edge") == 1)
        assert await echoes(await directory.dial("c-edge", 60))
        assert len(directory.local.silent("c-edge", Trust.UNVERIFIED)) == 1
        relay.flows.set()


async def test_dial_uses_a_tunnel_that_came_while_the_others_were_silent(store: SqlStore) -> None:
    directory, relay = TunnelDirectory(store, HERE), Freezing()
    async with (
        echo_server() as address,
        connected(directory, TestAgent(address), through=relay),
        connected(directory, TestAgent(address), through=relay),
    ):
        relay.flows.clear()
        dialing = asyncio.create_task(directory.dial("c-edge", 8))
        await asyncio.sleep(0)  # The dial begins.
        async with connected(directory, TestAgent(address)):
            assert await echoes(await dialing)


async def test_agent_that_leaves_is_not_used_for_new_streams(store: SqlStore) -> None:
    directory = TunnelDirectory(store, HERE)
    agent = TestAgent()
    async with connected(directory, agent):
        agent.tunnel.send(agent.control, encode(Drain("the pod ends")))
        await eventually(lambda: directory.ways("c-edge") == 0)


async def test_dial_waits_for_a_tunnel_that_was_there_lately(store: SqlStore) -> None:
    directory = TunnelDirectory(store, HERE, wait_seconds=60)
    async with connected(directory, TestAgent()):
        pass
    await eventually(lambda: directory.ways("c-edge") == 0)
    async with echo_server() as address:
        waiting = asyncio.create_task(directory.dial("c-edge", 60))
        async with connected(directory, TestAgent(address)):
            assert await echoes(await waiting)


async def test_dial_without_a_tunnel_fails_with_its_kind(store: SqlStore) -> None:
    directory = TunnelDirectory(store, HERE)
    with pytest.raises(DialFailed, match="no agent of the cluster is connected") as failed:
        await directory.dial("c-edge", 0.05)
    assert failed.value.kind == "no_agent"
    with pytest.raises(DialFailed):
        await directory.dial_local("c-edge", 10)


async def test_tunnel_at_another_replica_is_found_in_the_store_and_used(
    stores: tuple[SqlStore, SqlStore],
) -> None:
    here, there = TunnelDirectory(stores[0], HERE, remote=(way := Elsewhere())), stores[1]
    following = asyncio.create_task(here.follow_changes())
    far = TunnelDirectory(there, THERE)
    announcing = asyncio.create_task(far.announcer.run())
    async with connected(far, TestAgent()):
        await eventually(lambda: here.ways("c-edge") == 1)
        (agent,) = here.agents("c-edge")
        assert (agent.pod, agent.streams, agent.rtt) == ("agent-abc", None, None)
        with await here.dial("c-edge", 10):
            assert way.asked == [("r-there", "c-edge")]
        with pytest.raises(DialFailed):  # a hop never leads to another one
            await here.dial_local("c-edge", 10)
        far.drain("the server stops")
        await eventually(lambda: here.ways("c-edge") == 0)
    for task in (following, announcing):
        task.cancel()
    await asyncio.gather(following, announcing, return_exceptions=True)
    await far.close("the server stops")
    for end in way.ends:
        end.close()


async def test_tunnel_of_this_process_is_tried_after_a_replica_that_is_away(
    store: SqlStore,
) -> None:
    way = Elsewhere()
    way.fails = True
    directory = TunnelDirectory(store, HERE, remote=way)
    await store.tunnels.register_replica(
        THERE,
        timedelta(seconds=60),
        [Tunnel("t-1", "c-edge", "r-there", "agent-1", "node-1", "1.2.0", NOW)],
    )
    following = asyncio.create_task(directory.follow_changes())
    await eventually(lambda: directory.ways("c-edge") == 1)
    with pytest.raises(DialFailed, match="the replica is away"):
        await directory.dial("c-edge", 10)
    async with echo_server() as address, connected(directory, TestAgent(address)):
        assert directory.ways("c-edge") == 2
        assert await echoes(await directory.dial("c-edge", 10))
    assert way.asked == [("r-there", "c-edge")]
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_unverified_tunnel_is_used_only_while_none_is_verified(store: SqlStore) -> None:
    directory = TunnelDirectory(store, HERE)
    async with (
        echo_server() as address,
        connected(directory, TestAgent(address)) as verified,
        connected(directory, TestAgent()) as other,  # its API server is away
    ):
        assert directory.ways("c-edge") == 2
        verified.judge(Trust.VERIFIED)
        assert directory.ways("c-edge") == 1
        for _ in range(10):
            assert await echoes(await directory.dial("c-edge", 10))
        verified.judge(Trust.CHECKING)
        assert directory.ways("c-edge") == 1
        with pytest.raises(DialFailed, match="the cluster's agent"):
            await directory.dial("c-edge", 10)
        other.judge(Trust.REFUSED, "another cluster")
        assert directory.ways("c-edge") == 0
        with pytest.raises(DialFailed, match="no agent"):
            await directory.dial_local("c-edge", 10)


async def test_verified_tunnel_of_another_replica_is_preferred(store: SqlStore) -> None:
    way = Elsewhere()
    directory = TunnelDirectory(store, HERE, remote=way)
    there = Tunnel("t-1", "c-edge", "r-there", "agent-1", "node-1", "1.2.0", NOW, Trust.VERIFIED)
    await store.tunnels.register_replica(THERE, timedelta(seconds=60), [there])
    following = asyncio.create_task(directory.follow_changes())
    await eventually(lambda: directory.ways("c-edge") == 1)
    async with echo_server() as address, connected(directory, TestAgent(address)):
        assert directory.ways("c-edge") == 1
        with await directory.dial("c-edge", 10):
            assert way.asked == [("r-there", "c-edge")]
        with pytest.raises(DialFailed, match="no agent"):  # another replica does not use it either
            await directory.dial_local("c-edge", 10)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    for end in way.ends:
        end.close()
