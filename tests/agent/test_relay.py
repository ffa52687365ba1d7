"""Streams reach one address through a tunnel, and no stream holds up another."""

import asyncio
import gc
import os
from collections.abc import Callable

import pytest
import uvloop

from agent.dialer import dial_through
from agent.tunnel.status import Status, StreamRefusedError
from agent.tunnel.stream_end import StreamEnd
from agent.tunnel.timing import TunnelTiming
from tests.agent.relay_world import World, connected, echo, pour, silence
from tests.support.garbage_collection import count_new_instances
from tests.support.waiting import eventually


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


ENDS = tuple(StreamEnd.__subclasses__())


async def round_trip(world: World, size: int) -> bool:
    """Send data through a stream, and return whether it came back."""
    reader, writer = await world.connect()
    data = os.urandom(size)
    writer.write(data)
    got = await reader.readexactly(size)
    writer.close()
    return got == data


async def test_bytes_return_through_the_tunnel_in_both_directions() -> None:
    async with connected(echo) as world:
        assert all(await asyncio.gather(*(round_trip(world, 500_000) for _ in range(8))))
        await eventually(lambda: world.tunnel.streams == 0 and world.agent.streams == 0)


async def test_agent_sends_its_token_and_names_its_protocol() -> None:
    async with connected(echo) as world:
        headers = world.server.requests[0]
        assert headers["Authorization"] == "Bearer agent-token"
        assert headers["Sec-WebSocket-Protocol"] == "sekisho.tunnel.1"


async def test_end_of_the_api_server_reaches_the_client_after_all_data() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x" * 1_000_000)
        writer.close()

    async with connected(answer) as world:
        reader, writer = await world.connect()
        assert len(await reader.read(-1)) == 1_000_000
        writer.close()
        await eventually(lambda: world.tunnel.streams == 0 and world.agent.streams == 0)


async def test_unread_bytes_stay_if_the_client_writes_after_the_end_of_the_api_server() -> None:
    """A failed write makes event loops drop what is unread."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x" * 100_000)
        writer.close()

    async with connected(answer) as world:
        sock = await dial_through(world.tunnel, 60)
        await eventually(lambda: world.tunnel.streams == 0)
        sock.send(b"a late frame")
        reader, writer = await asyncio.open_connection(sock=sock)
        assert len(await reader.read(-1)) == 100_000
        writer.close()


async def test_streams_that_ended_in_order_leave_no_objects() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(1))
        writer.close()

    living = count_new_instances(*ENDS)

    def left() -> int:
        gc.collect()
        return sum(map(living, ENDS))

    async def once(world: World) -> None:
        reader, writer = await world.connect()
        writer.write(b"x")
        assert await reader.read(-1) == b"x"
        writer.close()

    async with connected(answer) as world:
        for _ in range(20):
            await once(world)
        await eventually(lambda: left() == 0)


async def test_connection_that_the_client_closes_is_closed_at_the_api_server() -> None:
    closed = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        closed.set()
        writer.close()

    async with connected(wait) as world:
        _, writer = await world.connect()
        writer.close()
        async with asyncio.timeout(60):
            await closed.wait()
        await eventually(lambda: world.tunnel.streams == 0 and world.agent.streams == 0)


async def test_client_that_closes_an_endless_download_ends_it_at_the_api_server() -> None:
    async with connected(pour) as world:
        reader, writer = await world.connect()
        await reader.readexactly(1_000_000)
        writer.close()
        await eventually(lambda: world.tunnel.streams == 0 and world.agent.streams == 0)


async def test_api_server_that_refuses_is_reported_with_the_reason() -> None:
    async with connected(None) as world:
        with pytest.raises(StreamRefusedError, match="refused") as error:
            await world.connect()
        assert error.value.status is Status.REFUSED
        await eventually(lambda: world.tunnel.streams == 0 and world.agent.streams == 0)


async def test_streams_above_the_limit_of_the_agent_are_refused() -> None:
    async with connected(silence, most=2) as world:
        held = [await world.connect() for _ in range(2)]
        with pytest.raises(StreamRefusedError, match="too many streams") as error:
            await world.connect()
        assert error.value.status is Status.LIMIT
        for _, writer in held:
            writer.close()


async def test_stuck_streams_do_not_hold_up_others() -> None:
    # kubernetes-sigs/apiserver-network-proxy#881: one slow reader stalled all.
    async with connected(pour) as world:
        stuck = [await world.connect() for _ in range(30)]
        await eventually(lambda: world.agent.bytes_out > 20 * 256 * 1024)
        reader, writer = await world.connect()
        async with asyncio.timeout(60):
            await reader.readexactly(20_000_000)
        for _, one in [*stuck, (reader, writer)]:
            one.close()
        await eventually(lambda: world.tunnel.streams == 0 and world.agent.streams == 0)


async def test_stuck_uploads_do_not_hold_up_others() -> None:
    async def first_are_stuck(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readexactly(1) == b"s":
            await asyncio.sleep(3600)
        await echo(reader, writer)

    async with connected(first_are_stuck) as world:
        stuck = [await world.connect() for _ in range(20)]
        for _, writer in stuck:
            writer.write(b"s" + bytes(5_000_000))
        reader, writer = await world.connect()
        writer.write(b"e" + bytes(5_000_000))
        async with asyncio.timeout(60):
            await reader.readexactly(5_000_000)
        for _, one in [*stuck, (reader, writer)]:
            one.transport.abort()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_stuck_upload_whose_client_leaves_ends_on_both_sides(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def abandoned() -> None:
        async with connected(silence, timing=TunnelTiming(linger=0.2)) as world:
            _, writer = await world.connect()
            writer.write(bytes(20_000_000))
            sent: list[int] = []

            def stuck() -> bool:
                sent.append(world.tunnel.bytes_out)
                return len(sent) > 20 and len(set(sent[-20:])) == 1

            await eventually(stuck)
            assert world.tunnel.streams == 1
            writer.transport.abort()
            await eventually(lambda: world.tunnel.streams == 0 and world.agent.streams == 0)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(abandoned())


async def test_many_streams_opened_closed_and_aborted_leave_nothing() -> None:
    async with connected(echo) as world:
        before = _open_files()

        async def once(number: int) -> None:
            reader, writer = await world.connect()
            if number % 3:
                writer.write(b"x" * (number % 7) * 10_000 + b"!")
                await reader.readexactly(1)
            if number % 2:
                writer.transport.abort()
            writer.close()

        for start in range(0, 2000, 50):
            await asyncio.gather(*(once(start + number) for number in range(50)))
        await eventually(lambda: world.tunnel.streams == 0 and world.agent.streams == 0)
        await eventually(lambda: _open_files() <= before + 2)


async def test_tunnel_without_any_byte_is_ended_with_its_streams() -> None:
    timing = TunnelTiming(ping=0.5, silence=3)
    async with connected(echo, timing=timing, faulty=True) as world:
        reader, _ = await world.connect()
        assert world.network is not None
        # No byte passes, and no end is informed: both must notice.
        world.network.stall()
        await eventually(lambda: world.server.ended and world.ended)
        assert "nothing arrived" in world.server.ended[0]
        assert "nothing arrived" in world.ended[0]
        assert await reader.read(-1) == b""


async def test_idle_tunnel_is_pinged_by_its_agent() -> None:
    async with connected(echo, timing=TunnelTiming(ping=1.5)) as world:
        server, ping, answer = world.tunnel, 18, 14
        received, sent = server.bytes_in, server.bytes_out
        await eventually(lambda: server.bytes_in - received >= 5 * ping)
        # Pings of its own would be as many again. A late event loop may cause one.
        assert server.bytes_out - sent <= 7 * answer


async def test_lost_tunnel_breaks_streams_and_refuses_new_ones() -> None:
    async with connected(echo) as world:
        reader, _ = await world.connect()
        tunnel = world.tunnel
        world.agent.close("the agent ends")
        assert await reader.read(-1) == b""
        await eventually(lambda: world.server.ended and world.ended)
        assert "the agent ends" in world.server.ended[0]
        with pytest.raises(StreamRefusedError):
            await dial_through(tunnel, 1)


async def test_tunnel_that_leaves_keeps_its_streams_and_refuses_new_ones() -> None:
    async with connected(echo) as world:
        reader, writer = await world.connect()
        world.agent.leave()
        await eventually(lambda: world.tunnel.peer_leaves)
        with pytest.raises(StreamRefusedError):
            await world.connect()
        writer.write(b"still")
        assert await reader.readexactly(5) == b"still"
        writer.close()
