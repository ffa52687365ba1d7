"""Tests that streams to a replica that no longer responds are cut, with a frozen process."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from management.tunnels.peer_client import PeerClient
from management.tunnels.peer_proof import PeerProof
from management.tunnels.peer_watch import WatchTiming
from store.agent_records import Replica
from tests.management.tunnels.peers import CALLER, HOLDER, KEY, peers
from tests.support.waiting import eventually

HANG = 120
SOON = WatchTiming(probe=0.5, dead=3.0)
"""For a replica that no longer responds. A busy one responds within that time."""

OFTEN = WatchTiming(probe=0.2, dead=HANG)
"""For a replica that responds, also on a busy machine."""

HOLDER_PROCESS = """
import asyncio, sys
from tests.management.tunnels.peers import peers

async def main():
    async with peers(tls=False) as world:
        one = world.replica
        print(one.socket, one.address, one.certificate_pem.encode().hex(), flush=True)
        await asyncio.get_running_loop().create_future()

asyncio.run(main())
"""


@asynccontextmanager
async def holder_process() -> AsyncIterator[tuple[asyncio.subprocess.Process, Replica]]:
    """Run the process with the tunnel."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        HOLDER_PROCESS,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    try:
        assert process.stdout is not None
        path, address, pem = (await process.stdout.readline()).decode().split()
        certificate = bytes.fromhex(pem).decode()
        yield process, Replica(HOLDER, "machine-a", path, address, certificate)
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize("machine", ["machine-a", "machine-b"], ids=["unix", "tls"])
async def test_streams_to_a_frozen_process_are_cut(machine: str) -> None:
    client = PeerClient(CALLER, machine, PeerProof([KEY]), wall_clock=time.time, timing=SOON)
    async with holder_process() as (process, replica), asyncio.timeout(HANG):
        reader, writer = await asyncio.open_connection(sock=await client.dial(replica, "c-1", 60))
        writer.write(b"ping")
        assert await reader.readexactly(4) == b"ping"
        os.kill(process.pid, signal.SIGSTOP)
        assert await reader.read(1) == b""
        os.kill(process.pid, signal.SIGCONT)
        # The replica can be used again.
        reader, writer = await asyncio.open_connection(sock=await client.dial(replica, "c-1", 60))
        writer.write(b"pong")
        assert await reader.readexactly(4) == b"pong"
        writer.close()
    await client.close()


@pytest.mark.parametrize("machine", ["machine-a", "machine-b"], ids=["unix", "tls"])
async def test_streams_to_a_killed_process_end_at_once(machine: str) -> None:
    client = PeerClient(CALLER, machine, PeerProof([KEY]), wall_clock=time.time)
    async with holder_process() as (process, replica), asyncio.timeout(HANG):
        reader, _ = await asyncio.open_connection(sock=await client.dial(replica, "c-1", 60))
        process.kill()
        try:
            assert await reader.read(1) == b""
        except ConnectionResetError:
            pass
    await client.close()


async def test_stream_to_a_responsive_replica_stays_and_probes_end_with_it() -> None:
    async with peers(tls=True, timing=OFTEN) as world, asyncio.timeout(HANG):
        reader, writer = await world.connect()
        await eventually(lambda: sum(one == "-" for one, _ in world.dialer.asked) > 5)
        writer.write(b"ping")
        assert await reader.readexactly(4) == b"ping"
        writer.close()
        await writer.wait_closed()
        del reader, writer
        await eventually(lambda: not world.client.watches)


async def test_strangers_that_fill_the_listener_cut_no_stream() -> None:
    async with peers(tls=True, timing=OFTEN) as world, asyncio.timeout(HANG):
        reader, writer = await world.connect()
        world.strangers.total = 0
        assert await world.client.responds(world.replica, 10)
        writer.write(b"ping")
        assert await reader.readexactly(4) == b"ping"
        writer.close()


async def test_replica_that_has_ended_counts_as_responding() -> None:
    async with peers(tls=True) as world:
        await world.server.close()
        assert await world.client.responds(world.replica, 60)
