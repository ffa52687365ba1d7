"""Relay of responses on real sockets: when connections are used again, and when closed."""

import asyncio

import pytest

from proxy.upstream.limits import PoolLimits
from tests.proxy.forwarding.requests import GET
from tests.proxy.relay import Script, read_request, relay, respond_with


async def test_bytes_after_a_response_are_not_the_next_response() -> None:
    poisoned = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    )
    clean = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
    async with relay(respond_with(poisoned), respond_with(clean)) as running:
        assert (await running.request(GET)).endswith(b"hi")
        assert (await running.request(GET)).endswith(b"good")


def in_pieces(*pieces: bytes) -> Script:
    """Return a script that sends a response in separate pieces, and then another response."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)  # so that the relay reads each piece separately
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext")
        await reader.read()

    return script


@pytest.mark.parametrize("pieces", [(b"", b"ab", b"cd"), (b"a", b"bcd"), (b"", b"abcd")])
async def test_response_in_pieces_releases_its_connection(pieces: tuple[bytes, ...]) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
    async with relay(in_pieces(head + pieces[0], *pieces[1:])) as running:
        assert (await running.request(GET)).endswith(b"\r\n\r\nabcd")
        assert (await running.request(GET)).endswith(b"\r\n\r\nnext")
        assert len(running.connections) == 1


async def test_bytes_after_a_response_in_pieces_close_the_connection() -> None:
    poisoned = in_pieces(
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab",
        b"cdHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    )
    clean = respond_with(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")
    async with relay(poisoned, clean) as running:
        assert (await running.request(GET)).endswith(b"\r\n\r\nabcd")
        assert (await running.request(GET)).endswith(b"good")


async def test_response_on_an_idle_connection_closes_it() -> None:
    sent = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        await sent.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        await writer.drain()
        await reader.read()
        sent.clear()

    clean = respond_with(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")
    async with relay(script, clean) as running:
        assert (await running.request(GET)).endswith(b"hi")
        sent.set()
        async with asyncio.timeout(60):
            while running.pool.connections:
                await asyncio.sleep(0)
        assert (await running.request(GET)).endswith(b"good")


async def test_upstream_connections_are_reused() -> None:
    responses = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n%d." % n for n in range(3)]
    responses.append(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n3.\r\n0\r\n\r\n")
    responses.append(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n4.")
    async with relay(respond_with(*responses)) as running:
        for n in range(5):
            assert b"%d." % n in await running.request(GET)
        assert len(running.connections) == 1


async def test_read_on_a_stale_connection_is_sent_again() -> None:
    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1.")
        await read_request(reader)

    second = respond_with(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n2.")
    async with relay(hangs_up, second) as running:
        assert (await running.request(GET)).endswith(b"1.")
        assert (await running.request(GET)).endswith(b"2.")
        assert len(running.connections) == 2


async def test_write_on_a_stale_connection_is_not_sent_again() -> None:
    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1.")
        await read_request(reader)

    second = respond_with(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n2.")
    post = b"POST /x HTTP/1.1\r\nHost: g\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    async with relay(hangs_up, second) as running:
        assert (await running.request(GET)).endswith(b"1.")
        assert (await running.request(post)).startswith(b"HTTP/1.1 502")
        assert len(running.connections) == 1


async def test_upstream_host_without_a_response_times_out() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with relay(silent, limits=PoolLimits(header_timeout=0.1)) as running:
        assert b"didn't answer in time" in await running.request(GET)
        assert running.pool.connections == 0


async def test_client_disconnect_ends_the_upstream_connection_at_once() -> None:
    ended = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
        await reader.read()
        ended.set()

    async with relay(script) as running:
        reader, writer = await running.open()
        writer.write(b"GET /x?watch=1 HTTP/1.1\r\nHost: g\r\n\r\n")
        await reader.readuntil(b"{}\r\n")
        writer.close()
        async with asyncio.timeout(60):
            await ended.wait()
            while running.pool.connections:
                await asyncio.sleep(0)
