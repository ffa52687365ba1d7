"""Tests of streams between two replicas, on one machine and on two, on the server's event loop."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import uvloop

from config.dialing import DialFailed
from management.tunnels.peer_client import AT_ONCE
from management.tunnels.peer_tls import create_identity
from tests.management.tunnels.peers import Peers, echo, open_files, peers, pour
from tests.support.waiting import eventually

HANG = 120
"""Seconds after which a test hangs."""


pytestmark = pytest.mark.filterwarnings("ignore:Overriding the .event_loop_policy")


@pytest.fixture(scope="module")
def event_loop_policy() -> asyncio.AbstractEventLoopPolicy:
    policy: asyncio.AbstractEventLoopPolicy = uvloop.EventLoopPolicy()
    return policy


@pytest.fixture(params=[False, True], ids=["unix", "tls"])
def tls(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
async def world(tls: bool) -> AsyncIterator[Peers]:
    async with peers(tls=tls) as world:
        yield world


async def round_trip(world: Peers, size: int) -> bool:
    reader, writer = await world.connect()
    data = os.urandom(size)
    writer.write(data)
    received = await reader.readexactly(size)
    writer.close()
    return received == data


async def test_bytes_pass_in_both_directions(world: Peers) -> None:
    async with asyncio.timeout(HANG):
        assert all(await asyncio.gather(*(round_trip(world, 500_000) for _ in range(8))))
    assert world.dialer.asked[0][0] == "c-1"


async def test_on_one_machine_the_unix_socket_itself_is_returned(world: Peers, tls: bool) -> None:
    dialed = await world.client.dial(world.replica, "c-1", 60)
    assert (dialed.getpeername() == world.replica.socket) is not tls
    dialed.close()


async def test_bytes_that_follow_the_response_at_once_are_kept(tls: bool) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello" + bytes(300_000))
        writer.close()

    async with peers(greet, tls=tls) as world, asyncio.timeout(HANG):
        reader, writer = await world.connect()
        assert await reader.read(-1) == b"hello" + bytes(300_000)
        writer.close()


async def test_open_streams_are_counted_at_both_ends(world: Peers) -> None:
    _, first = await world.connect()
    _, second = await world.connect()
    await eventually(lambda: world.server.streams == 2)
    assert (world.client.streams, world.client.counts.opened) == (2, 2)
    first.close()
    second.close()
    await eventually(lambda: (world.client.streams, world.server.streams) == (0, 0))
    assert world.server.counts.opened == 2


async def test_holder_without_the_tunnel_is_reported_as_such(world: Peers) -> None:
    world.dialer.failure = DialFailed("no_agent", "no agent is connected")
    with pytest.raises(DialFailed, match="no agent is connected") as error:
        await world.connect()
    assert error.value.kind == "no_agent"


async def test_failure_of_the_agent_is_reported_with_kind_and_reason(world: Peers) -> None:
    world.dialer.failure = DialFailed("refused", "the API server refused\nthe connection")
    with pytest.raises(DialFailed, match=r"^the API server refused the connection$") as error:
        await world.connect()
    assert error.value.kind == "refused"


async def test_replica_that_has_ended_is_reported(world: Peers) -> None:
    await world.server.close()
    with pytest.raises(DialFailed, match="cannot be reached") as error:
        await world.connect()
    assert error.value.kind == "failed"


async def test_row_of_a_former_process_at_the_address_is_no_tunnel(world: Peers) -> None:
    world.replica = replace(world.replica, id="holder-0")
    with pytest.raises(DialFailed, match="has ended") as error:
        await world.connect()
    assert error.value.kind == "no_agent"


async def test_caller_that_gives_up_ends_the_dial_of_the_holder(world: Peers) -> None:
    world.dialer.hangs_for = "c-1"
    with pytest.raises(DialFailed, match="did not respond within 3 s") as error:
        await world.connect(seconds=3)
    assert error.value.kind == "timeout"
    await eventually(lambda: world.dialer.cancelled)
    assert world.dialer.asked[0][1] <= 3


async def test_cluster_that_hangs_holds_up_no_other_one_at_the_same_replica(world: Peers) -> None:
    world.dialer.hangs_for = "c-slow"
    async with asyncio.timeout(HANG):
        slow = [
            asyncio.ensure_future(world.client.dial(world.replica, "c-slow", HANG))
            for _ in range(2 * AT_ONCE)
        ]
        await eventually(lambda: len(world.dialer.asked) == len(slow))
        assert await round_trip(world, 1000)
        for one in slow:
            one.cancel()
        await asyncio.wait(slow)


async def test_end_of_the_cluster_reaches_the_caller(tls: bool) -> None:
    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.transport.abort()

    async with peers(end, tls=tls) as world, asyncio.timeout(HANG):
        reader, writer = await world.connect()
        writer.write(b"!")
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()


async def test_half_close_is_passed_on_between_processes_of_one_machine() -> None:
    async with peers(echo, tls=False) as world, asyncio.timeout(HANG):
        reader, writer = await world.connect()
        writer.write(bytes(2_000_000))
        writer.write_eof()
        assert len(await reader.read(-1)) == 2_000_000
        writer.close()


async def test_stuck_downloads_do_not_hold_up_others(tls: bool) -> None:
    async with peers(pour, tls=tls) as world, asyncio.timeout(HANG):
        stuck = [await world.connect() for _ in range(30)]
        reader, writer = await world.connect()
        for _ in range(20):
            await reader.readexactly(1_000_000)
        for _, one in [*stuck, (reader, writer)]:
            one.close()


async def test_caller_that_leaves_a_stuck_upload_ends_the_stream(tls: bool) -> None:
    ended = asyncio.Event()

    async def stuck(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        # A server that reads nothing learns of the end only when it writes.
        while not writer.transport.is_closing():
            writer.write(b"x")
            await asyncio.sleep(0.02)
        ended.set()

    async with peers(stuck, tls=tls) as world, asyncio.timeout(HANG):
        _, writer = await world.connect()
        writer.write(bytes(20_000_000))
        await eventually(lambda: writer.transport.get_write_buffer_size() > 0)
        writer.transport.abort()
        await ended.wait()


async def test_many_streams_opened_closed_and_aborted_leave_no_descriptor(world: Peers) -> None:
    await round_trip(world, 1)
    before = open_files()

    async def once(number: int) -> None:
        reader, writer = await world.connect()
        if number % 3:
            writer.write(b"x" * (number % 7) * 10_000 + b"!")
            await reader.readexactly(1)
        if number % 2:
            writer.transport.abort()
        writer.close()

    async with asyncio.timeout(2 * HANG):
        for start in range(0, 2000, 20):
            await asyncio.gather(*(once(start + number) for number in range(20)))
    await eventually(lambda: open_files() <= before, what=lambda: f"{open_files()} > {before}")


async def test_frozen_replica_is_given_up_within_the_time_of_the_caller(tls: bool) -> None:
    async with peers(tls=tls) as world:
        with socket.socket(socket.AF_INET if tls else socket.AF_UNIX) as frozen:
            frozen.bind(("127.0.0.1", 0) if tls else str(world.folder / "frozen"))
            frozen.listen()  # The kernel accepts, and no process responds.
            name = frozen.getsockname()
            world.replica = replace(
                world.replica,
                socket="" if tls else name,
                address=f"127.0.0.1:{name[1]}" if tls else None,
            )
            with pytest.raises(DialFailed, match="did not respond") as error:
                await world.connect(seconds=0.5)
    assert error.value.kind == "timeout"


async def test_certificate_that_is_not_in_the_store_is_refused() -> None:
    async with peers(tls=True) as world:
        world.replica = replace(world.replica, certificate_pem=create_identity().certificate_pem)
        with pytest.raises(DialFailed, match="cannot be reached"):
            await world.connect()
        assert world.dialer.asked == []


async def test_socket_of_another_container_leads_to_the_address() -> None:
    async with peers(tls=False) as world:
        world.replica = replace(world.replica, socket=str(world.folder / "absent"))
        assert await round_trip(world, 1000)


async def test_replica_without_an_address_is_reported_with_the_remedy() -> None:
    async with peers(tls=True) as world:
        world.replica = replace(world.replica, address=None)
        with pytest.raises(DialFailed, match=r"peering\.listen"):
            await world.connect()


async def test_burst_of_dials_is_within_what_the_holder_admits_of_strangers() -> None:
    async with peers(tls=True) as world, asyncio.timeout(HANG):
        world.strangers.total = world.strangers.per_address = 4 * AT_ONCE
        assert all(await asyncio.gather(*(round_trip(world, 10) for _ in range(200))))
