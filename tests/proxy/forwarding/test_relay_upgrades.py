"""Upgrades, shown on raw sockets: a pipe after a real 101, and only then."""

import asyncio
from pathlib import Path

import pytest
import uvloop

from proxy.pipe import Pipe
from proxy.upstream import UpstreamConnection
from tests.parts.garbage import newborns, uncollected
from tests.parts.waiting import soon
from tests.proxy.relay import Relay, answering, read_request, relay
from tests.proxy.tls import TLS_OF_UVLOOP, contexts

UPGRADE = b"POST /exec HTTP/1.1\r\nHost: g\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n"


@pytest.mark.parametrize("protocol", [b"SPDY/3.1", b"websocket"])
async def test_after_a_101_bytes_pass_both_ways_as_they_are(protocol: bytes) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await read_request(reader)
        assert b"Upgrade: " + protocol in head
        writer.write(SWITCH % protocol + b"early")
        while data := await reader.read(1000):
            writer.write(data.upper())

    async with relay(script) as gate:
        reader, writer = await gate.open()
        writer.write(UPGRADE % protocol)
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
            assert await reader.readexactly(5) == b"early"
            for piece in (b"abc", b"\x00\x01GET / HTTP/1.1\r\n\r\n", b"d" * 100_000):
                writer.write(piece)
                assert await reader.readexactly(len(piece)) == piece.upper()
        writer.close()
        await asyncio.wait_for(gate.finished.get(), 5)


@pytest.mark.parametrize("status", [b"200 OK", b"403 Forbidden", b"500 Oops"])
async def test_a_declined_upgrade_leaves_no_tunnel(status: bytes) -> None:
    """CVE-2018-1002105."""
    seen: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nno")
        seen.append(await reader.read())

    async with relay(script) as gate:
        reader, writer = await gate.open()
        second = b"GET /secrets HTTP/1.1\r\nHost: g\r\n\r\n"
        writer.write(UPGRADE % b"websocket" + second)
        async with asyncio.timeout(5):
            got = await reader.read()
        assert got.startswith(b"HTTP/1.1 " + status)
        assert b"Connection: close" in got
        assert got.endswith(b"no")
        writer.close()
        assert gate.pool.take() is None, "nor may anybody else be given its connection"
    assert seen[1] == b""
    assert len(gate.connections) == 1


async def test_no_upgrade_is_sent_that_was_not_asked_for_by_both_lines() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    async with relay(answering(answer)) as gate:
        got = await gate.ask(
            b"GET /x HTTP/1.1\r\nHost: g\r\nUpgrade: websocket\r\nConnection: close\r\n\r\n"
        )
        assert got.endswith(b"ok")


async def test_what_the_upstream_sent_last_reaches_the_client() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(SWITCH % b"SPDY/3.1" + b"z" * 300_000)

    async with relay(script) as gate:
        reader, writer = await gate.open()
        writer.write(UPGRADE % b"SPDY/3.1")
        async with asyncio.timeout(5):
            await reader.readuntil(b"\r\n\r\n")
            assert len(await reader.read()) == 300_000
        writer.close()


async def test_what_the_client_sent_last_reaches_the_upstream() -> None:
    got = asyncio.get_running_loop().create_future()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(SWITCH % b"SPDY/3.1")
        got.set_result(await reader.read())

    async with relay(script) as gate:
        reader, writer = await gate.open()
        writer.write(UPGRADE % b"SPDY/3.1")
        async with asyncio.timeout(5):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"y" * 300_000)
            writer.close()
            assert len(await got) == 300_000


async def test_a_half_closed_pipe_goes_on_the_other_way() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(SWITCH % b"SPDY/3.1")
        everything = await reader.read()
        writer.write(b"got %d" % len(everything))

    async with relay(script) as gate:
        reader, writer = await gate.open()
        writer.write(UPGRADE % b"SPDY/3.1")
        async with asyncio.timeout(5):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"abc")
            writer.write_eof()
            assert await reader.read() == b"got 3"
        writer.close()


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("last", ["upstream", "client"])
def test_nothing_of_an_ended_pipe_waits_for_a_timer_or_the_collector(
    tmp_path: Path, last: str, *, encrypted: bool
) -> None:
    """Each has two TLS connections, and those a quarter of a MiB each: also where they ended well.

    On uvloop, as the gate runs: what asyncio's own TLS leaves behind is not ours to mend.
    """

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(SWITCH % b"SPDY/3.1" + b"bye")
        if last == "client":
            await reader.read()

    async def session(gate: Relay) -> None:
        reader, writer = await gate.open()
        writer.write(UPGRADE % b"SPDY/3.1")
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(3) == b"bye"
        if last == "upstream":
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        await gate.finished.get()

    most = {UpstreamConnection: 1, Pipe: 1, TLS_OF_UVLOOP: 4}
    living = newborns(*most)

    def gone() -> bool:
        return all(living(kind) <= number for kind, number in most.items())

    async def sessions() -> None:
        async with relay(script, tls=contexts(tmp_path) if encrypted else None) as gate:
            await session(gate)
            with uncollected():
                async with asyncio.timeout(10):
                    for _ in range(20):
                        await session(gate)
                await soon(gone, 5, "the end of all that ended sessions held")

    uvloop.run(sessions())


async def test_one_side_that_does_not_read_slows_the_other_down() -> None:
    sent, total = 0, 64 * 2**20

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(SWITCH % b"SPDY/3.1")
        piece = b"x" * 65536
        try:
            async with asyncio.timeout(2):
                while sent < total:
                    writer.write(piece)
                    await writer.drain()
                    sent += len(piece)
        except TimeoutError:
            pass

    async with relay(script) as gate:
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port, limit=1024)
        writer.write(UPGRADE % b"SPDY/3.1")
        await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(10):
            exchanged = False
            while not exchanged:
                exchanged = sent > 0
                await asyncio.sleep(0)
        writer.close()
    assert sent < 32 * 2**20
