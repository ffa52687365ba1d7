"""Tests of clusters whose tunnel is at another process: a worker, or a replica on another machine.

The tests' process is the one without a tunnel. It has the same store and keys, as a replica does.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from agent.relay import Address
from config.dialing import DialFailed
from config.peering_settings import PeeringSettings
from management.tunnels.directory import TunnelDirectory
from management.tunnels.peer_client import PeerClient
from management.tunnels.peer_proof import PURPOSE, PeerProof
from proxy.tunnels.peering import ALONE, open_peering
from proxy.tunnels.replica import machine_name
from store.agent_records import AgentToken, Replica, agent_token_digest
from store.database import SqlStore, open_store
from store.encryption import Keyring
from tests.store.records import NOW, a_cluster
from tests.support.agents import TestAgent, echo_server, open_tunnel
from tests.support.edge import TOKEN, target
from tests.support.sekisho import Sekisho, free_port, make_sekisho, running
from tests.support.tasks import beside
from tests.support.waiting import eventually
from tests.support.workers import worker_pids

HANG = 120


@pytest.fixture
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    """Run a Sekisho of two workers on SQLite, without any setting of peering."""
    yield from configured(tmp_path_factory, "server: {workers: 2, ", "")


@pytest.fixture
def replica(tmp_path_factory: pytest.TempPathFactory, postgres_database: str) -> Iterator[Sekisho]:
    """Run a Sekisho on PostgreSQL that listens for replicas on other machines."""
    extra = f'store: {{url: "{postgres_database}"}}\npeering: {{listen: "127.0.0.1:0"}}\n'
    yield from configured(tmp_path_factory, "server: {", extra)


def configured(
    tmp_path_factory: pytest.TempPathFactory, server: str, extra: str
) -> Iterator[Sekisho]:
    made = make_sekisho(tmp_path_factory.mktemp("sekisho"), (free_port(), free_port()), extra)
    made.config.write_text(made.config.read_text().replace("server: {", server))
    with running(made):
        yield made


def keyring_of(sekisho: Sekisho) -> Keyring:
    return Keyring.parse((sekisho.folder / "data" / "encryption.key").read_text().strip())


@asynccontextmanager
async def other_process(
    sekisho: Sekisho, machine: str, url: str = ""
) -> AsyncIterator[tuple[TunnelDirectory, SqlStore]]:
    """Be another process of a Sekisho. The cluster ``edge`` is in its store."""
    keyring = keyring_of(sekisho)
    store = await open_store(url or f"sqlite:///{sekisho.folder}/data/sekisho.db", keyring)
    try:
        await store.clusters.create(a_cluster("edge", reach="agent", ca_pem=None))
        digest = agent_token_digest(TOKEN)
        await store.agent_tokens.create(AgentToken("at-1", "c-edge", digest, NOW))
        me = Replica("r-tests", machine)
        async with open_peering(PeeringSettings(), keyring, me, ALONE) as peering:
            directory = TunnelDirectory(store, peering.replica, remote=peering.client)
            peering.serve(directory)
            async with beside(directory.follow_changes()):
                yield directory, store
    finally:
        await store.close()


async def echoes(directory: TunnelDirectory, size: int = 300_000) -> bool:
    """Return whether bytes come back from the cluster."""
    reader, writer = await asyncio.open_connection(sock=await directory.dial("c-edge", 60))
    writer.write(bytes(size))
    received = await reader.readexactly(size)
    writer.close()
    return received == bytes(size)


async def is_known(directory: TunnelDirectory, count: int = 1) -> None:
    await eventually(lambda: len(directory.agents("c-edge")) == count)


async def test_tunnel_at_a_worker_is_used_by_other_processes_of_the_machine(
    workers: Sekisho,
) -> None:
    async with (
        other_process(workers, machine_name()) as (directory, store),
        echo_server() as address,
        open_tunnel(target(workers), TestAgent(address)),
        asyncio.timeout(HANG),
    ):
        await is_known(directory)
        assert all(await asyncio.gather(*(echoes(directory) for _ in range(10))))
        (found,) = await store.tunnels.all()
        assert found.replica.address is None
        assert len(worker_pids(workers)) == 2
        opened = 'sekisho_peer_streams_opened_total{direction="in"}'
        await eventually(lambda: workers.metric(opened) >= 10)
        # The controllers of the other worker may have some as well.
        assert workers.metric('sekisho_peer_streams{direction="in"}') >= 0


async def test_tunnel_at_a_replica_of_another_machine_is_used_by_tls(
    replica: Sekisho, postgres_database: str
) -> None:
    async with (
        other_process(replica, "another-machine", postgres_database) as (directory, store),
        echo_server() as address,
        open_tunnel(target(replica), TestAgent(address)),
        asyncio.timeout(HANG),
    ):
        await is_known(directory)
        assert all(await asyncio.gather(*(echoes(directory) for _ in range(10))))
        (found,) = await store.tunnels.all()
        assert found.replica.address is not None
        assert "BEGIN CERTIFICATE" in (found.replica.certificate_pem or "")
        assert found.replica.address in replica.log  # as docs/operations.md says


async def test_tunnel_that_has_just_gone_is_reported_at_once(workers: Sekisho) -> None:
    async with (
        other_process(workers, machine_name()) as (directory, store),
        asyncio.timeout(HANG),
    ):
        async with open_tunnel(target(workers)):
            await is_known(directory)
            (found,) = await store.tunnels.all()
        await is_known(directory, 0)
        proof = PeerProof(keyring_of(workers).derive_all(PURPOSE))
        client = PeerClient("r-tests", machine_name(), proof, wall_clock=time.time)
        with pytest.raises(DialFailed, match="no agent of the cluster is connected") as error:
            await client.dial(found.replica, "c-edge", 60)
        assert error.value.kind == "no_agent"
        assert (client.counts.opened, client.counts.failed) == (0, {"no_agent": 1})
        failed = 'sekisho_peer_failures_total{direction="in",reason="no_agent"}'
        await eventually(lambda: workers.metric(failed) >= 1)
        await client.close()


async def test_api_server_that_refuses_is_reported_through_the_other_process(
    workers: Sekisho, unused_port: int
) -> None:
    async with (
        other_process(workers, machine_name()) as (directory, _),
        open_tunnel(target(workers), TestAgent(Address("127.0.0.1", unused_port))),
        asyncio.timeout(HANG),
    ):
        await is_known(directory)
        with pytest.raises(DialFailed, match="refused") as error:
            await directory.dial("c-edge", 60)
        assert error.value.kind == "refused"


async def test_streams_end_with_the_worker_that_has_the_tunnel(workers: Sekisho) -> None:
    async with (
        other_process(workers, machine_name()) as (directory, _),
        echo_server() as address,
        open_tunnel(target(workers), TestAgent(address)) as agent,
        asyncio.timeout(HANG),
    ):
        await is_known(directory)
        reader, writer = await asyncio.open_connection(sock=await directory.dial("c-edge", 60))
        agent.tunnel.close("the agent ends")
        assert await reader.read(-1) == b""
        writer.close()
