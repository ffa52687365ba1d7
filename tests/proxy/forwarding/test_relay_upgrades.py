"""Upgrades on real sockets: a tunnel exists after a 101 response, and only then."""

import asyncio
from pathlib import Path

import pytest
import uvloop

from proxy.forwarding.tunnel import Tunnel
from proxy.upstream.connection import UpstreamConnection
from tests.proxy.forwarding.upgrades import SWITCH, UPGRADE
from tests.proxy.relay import RunningRelay, read_request, relay, respond_with
from tests.proxy.tls import UVLOOP_SSL_PROTOCOL, tls_contexts
from tests.support.garbage_collection import count_new_instances, garbage_collection_disabled
from tests.support.waiting import eventually


@pytest.mark.parametrize("protocol", [b"SPDY/3.1", b"websocket"])
async def test_tunnel_after_101_passes_bytes_unchanged_both_ways(protocol: bytes) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await read_request(reader)
        assert b"Upgrade: " + protocol in head
        writer.write(SWITCH % protocol + b"early")
        while data := await reader.read(1000):
            writer.write(data.upper())

    async with relay(script) as running:
        reader, writer = await running.open()
        writer.write(UPGRADE % protocol)
        async with asyncio.timeout(60):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
            assert await reader.readexactly(5) == b"early"
            for piece in (b"abc", b"\x00\x01GET / HTTP/1.1\r\n\r\n", b"d" * 100_000):
                writer.write(piece)
                assert await reader.readexactly(len(piece)) == piece.upper()
        writer.close()
        await asyncio.wait_for(running.finished.get(), 60)


@pytest.mark.parametrize("status", [b"200 OK", b"403 Forbidden", b"500 Oops"])
async def test_declined_upgrade_opens_no_tunnel(status: bytes) -> None:
    """Check that the flaw of CVE-2018-1002105 does not exist here."""
    seen: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nno")
        seen.append(await reader.read())

    async with relay(script) as running:
        reader, writer = await running.open()
        second = b"GET /secrets HTTP/1.1\r\nHost: g\r\n\r\n"
        writer.write(UPGRADE % b"websocket" + second)
        async with asyncio.timeout(60):
            got = await reader.read()
        assert got.startswith(b"HTTP/1.1 " + status)
        assert b"Connection: close" in got
        assert got.endswith(b"no")
        writer.close()
        assert running.pool.take() is None, "its connection must not serve another request"
    assert seen[1] == b""
    assert len(running.connections) == 1


async def test_upgrade_without_connection_header_is_not_forwarded() -> None:
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    async with relay(respond_with(response)) as running:
        got = await running.request(
            b"GET /x HTTP/1.1\r\nHost: g\r\nUpgrade: websocket\r\nConnection: close\r\n\r\n"
        )
        assert got.endswith(b"ok")


async def test_last_bytes_of_the_upstream_reach_the_client() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(SWITCH % b"SPDY/3.1" + b"z" * 300_000)

    async with relay(script) as running:
        reader, writer = await running.open()
        writer.write(UPGRADE % b"SPDY/3.1")
        async with asyncio.timeout(60):
            await reader.readuntil(b"\r\n\r\n")
            assert len(await reader.read()) == 300_000
        writer.close()


async def test_last_bytes_of_the_client_reach_the_upstream() -> None:
    got = asyncio.get_running_loop().create_future()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(SWITCH % b"SPDY/3.1")
        got.set_result(await reader.read())

    async with relay(script) as running:
        reader, writer = await running.open()
        writer.write(UPGRADE % b"SPDY/3.1")
        async with asyncio.timeout(60):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"y" * 300_000)
            writer.close()
            assert len(await got) == 300_000


async def test_half_closed_tunnel_continues_in_the_other_direction() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(SWITCH % b"SPDY/3.1")
        everything = await reader.read()
        writer.write(b"got %d" % len(everything))

    async with relay(script) as running:
        reader, writer = await running.open()
        writer.write(UPGRADE % b"SPDY/3.1")
        async with asyncio.timeout(60):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"abc")
            writer.write_eof()
            assert await reader.read() == b"got 3"
        writer.close()


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("last", ["upstream", "client"])
def test_ended_tunnel_is_freed_without_timers_or_garbage_collection(
    tmp_path: Path, last: str, *, encrypted: bool
) -> None:
    """Each tunnel has two TLS connections of a quarter of a MiB, also after a clean end.

    The test uses uvloop, as Sekisho does; asyncio's own TLS may leave objects behind.
    """

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(SWITCH % b"SPDY/3.1" + b"bye")
        if last == "client":
            await reader.read()

    async def session(running: RunningRelay) -> None:
        reader, writer = await running.open()
        writer.write(UPGRADE % b"SPDY/3.1")
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(3) == b"bye"
        if last == "upstream":
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        await running.finished.get()

    most = {UpstreamConnection: 1, Tunnel: 1, UVLOOP_SSL_PROTOCOL: 4}
    living = count_new_instances(*most)

    def gone() -> bool:
        return all(living(kind) <= number for kind, number in most.items())

    async def sessions() -> None:
        async with relay(script, tls=tls_contexts(tmp_path) if encrypted else None) as running:
            await session(running)
            with garbage_collection_disabled():
                async with asyncio.timeout(60):
                    for _ in range(20):
                        await session(running)
                await eventually(gone, what="the end of all that ended sessions held")

    uvloop.run(sessions())


async def test_side_that_does_not_read_slows_the_other_side() -> None:
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

    async with relay(script) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port, limit=1024)
        writer.write(UPGRADE % b"SPDY/3.1")
        await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(60):
            exchanged = False
            while not exchanged:
                exchanged = sent > 0
                await asyncio.sleep(0)
        writer.close()
    assert sent < 32 * 2**20
