"""Relay of responses on real sockets: bytes of the upstream and bytes for the client."""

import asyncio

import pytest

from tests.proxy.forwarding.requests import GET
from tests.proxy.relay import read_request, relay, respond_with


async def test_response_with_a_length_is_unchanged() -> None:
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nAudit-Id: 1\r\n\r\nabc"
    async with relay(respond_with(response)) as running:
        assert await running.request(GET) == (
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nAudit-Id: 1\r\nConnection: close\r\n\r\nabc"
        )


async def test_chunked_response_stays_chunked_and_keeps_its_trailers() -> None:
    response = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
        b"2\r\nab\r\n1;ext=1\r\nc\r\n0\r\nX-Sum: 9\r\nSet-Cookie: a=b\r\n\r\n"
    )
    async with relay(respond_with(response)) as running:
        got = await running.request(GET)
    head, body = got.split(b"\r\n\r\n", 1)
    assert b"Transfer-Encoding: chunked" in head
    assert body == b"3\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n"


async def test_head_is_sent_before_the_body_arrives() -> None:
    held = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await held.wait()
        writer.write(b"2\r\n{}\r\n")
        await reader.read()

    async with relay(script) as running:
        reader, writer = await running.open()
        writer.write(b"GET /x?watch=1 HTTP/1.1\r\nHost: g\r\n\r\n")
        async with asyncio.timeout(60):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK")
            held.set()
            assert await reader.readexactly(7) == b"2\r\n{}\r\n"
        writer.close()


async def test_http_1_0_client_gets_an_unchunked_body() -> None:
    response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    async with relay(respond_with(response)) as running:
        got = await running.request(b"GET /x HTTP/1.0\r\n\r\n")
    assert got.endswith(b"\r\n\r\nabc")
    assert b"chunked" not in got


async def test_response_without_a_length_becomes_chunked() -> None:
    response = b"HTTP/1.1 200 OK\r\n\r\nabc"
    async with relay(respond_with(response, close=True)) as running:
        got = await running.request(GET)
    assert b"Transfer-Encoding: chunked" in got
    assert got.endswith(b"3\r\nabc\r\n0\r\n\r\n")


async def test_response_to_head_has_no_body_and_the_connection_is_reused() -> None:
    to_head = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"
    to_get = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    async with relay(respond_with(to_head, to_get)) as running:
        reader, writer = await running.open()
        async with asyncio.timeout(60):
            writer.write(b"HEAD /x HTTP/1.1\r\nHost: g\r\n\r\n")
            assert b"Content-Length: 99" in await reader.readuntil(b"\r\n\r\n")
            writer.write(GET)
            assert (await reader.read()).endswith(b"hi")
        assert len(running.connections) == 1


async def test_interim_response_is_not_forwarded() -> None:
    response = (
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    )
    async with relay(respond_with(response)) as running:
        got = await running.request(GET)
    assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Link" not in got


@pytest.mark.parametrize(
    "response",
    [
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000,
    ],
)
async def test_invalid_response_becomes_502_and_closes_the_connection(
    response: bytes,
) -> None:
    async with relay(respond_with(response)) as running:
        assert (await running.request(GET)).startswith(b"HTTP/1.1 502")
        assert running.pool.connections == 0


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
    ],
)
async def test_truncated_response_is_not_completed(response: bytes) -> None:
    async with relay(respond_with(response, close=True)) as running:
        got = await running.request(GET)
        exchange = await running.finished.get()
        assert exchange.truncated or got.startswith(b"HTTP/1.1 502")
        assert not got.endswith(b"0\r\n\r\n")


async def test_client_that_does_not_read_slows_the_upstream() -> None:
    total, written = 64 * 2**20, 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        piece = b"x" * 65536
        while written < total:
            writer.write(piece)
            await writer.drain()
            written += len(piece)

    async with relay(script) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port, limit=1024)
        writer.write(b"GET /x HTTP/1.1\r\nHost: g\r\n\r\n")
        await _settled(lambda: written)
        assert written < 32 * 2**20, (
            "only the kernel's buffers and two of the relay, not the whole response"
        )
        await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(60):
            left = total
            while left:
                left -= len(await reader.read(2**20))
        writer.close()


async def _settled(value: "object") -> None:
    """Return when ``value()`` has not changed for 300 ms."""
    assert callable(value)
    still, last = 0, value()
    async with asyncio.timeout(60):
        while still < 300:
            await asyncio.sleep(0.001)
            now = value()
            still, last = (still + 1, last) if now == last else (0, now)


async def test_location_gets_the_prefix_and_cookies_are_removed() -> None:
    response = (
        b"HTTP/1.1 302 Found\r\nLocation: /api/v1/x\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    )
    async with relay(respond_with(response)) as running:
        got = await running.request(GET)
    assert b"Location: /k8s/clusters/c-1/api/v1/x\r\n" in got
    assert b"Set-Cookie" not in got
