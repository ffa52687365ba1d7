"""Relay of request bodies, on real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from tests.proxy.relay import RunningRelay, Script, read_request, relay

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def respond_after(
    read_body: Callable[[asyncio.StreamReader], Awaitable[bytes]], seen: bytearray
) -> Script:
    """Return a script that appends the request to ``seen``, and responds after its body."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.extend(await read_request(reader))
        seen.extend(await read_body(reader))
        writer.write(OK)
        await reader.read()

    return script


@dataclass
class Upload:
    """A request whose chunked body has begun, and has a connection to the API server.

    ``end`` is the rest of the body as the API server reads it, or the error of its connection.
    """

    running: RunningRelay
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    end: "asyncio.Future[bytes | Exception]"


@pytest.fixture
async def upload() -> AsyncIterator[Upload]:
    end: asyncio.Future[bytes | Exception] = asyncio.get_running_loop().create_future()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        try:
            end.set_result(await reader.readuntil(b"0\r\n\r\n"))
        except (asyncio.IncompleteReadError, ConnectionError) as exc:
            end.set_result(exc)

    async with relay(script) as running:
        reader, writer = await running.open()
        writer.write(
            b"POST /x HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"
        )
        async with asyncio.timeout(60):
            while not running.pool.connections:
                await asyncio.sleep(0)
        yield Upload(running, reader, writer, end)
        writer.close()


async def test_body_with_a_length_is_sent_with_that_length() -> None:
    seen = bytearray()
    async with relay(respond_after(lambda reader: reader.readexactly(4), seen)) as running:
        await running.request(
            b"POST /x HTTP/1.1\r\nHost: g\r\nContent-Length: 4\r\nConnection: close\r\n\r\nabcd"
        )
    assert bytes(seen).endswith(b"Content-Length: 4\r\n\r\nabcd")


async def test_chunked_body_is_forwarded_as_it_arrives() -> None:
    first = asyncio.Event()
    seen = bytearray()

    async def read_body(reader: asyncio.StreamReader) -> bytes:
        begin = await reader.readexactly(len(b"2\r\nab\r\n"))
        first.set()
        return begin + await reader.readuntil(b"0\r\n\r\n")

    async with relay(respond_after(read_body, seen)) as running:
        reader, writer = await running.open()
        writer.write(
            b"POST /x HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n"
            b"Connection: close\r\n\r\n2\r\nab\r\n"
        )
        async with asyncio.timeout(60):
            await first.wait()
            writer.write(b"1\r\nc\r\n0\r\n\r\n")
            assert (await reader.read()).endswith(b"ok")
    assert bytes(seen).endswith(b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")


async def test_client_with_expect_gets_100_continue() -> None:
    seen = bytearray()
    async with relay(respond_after(lambda reader: reader.readexactly(2), seen)) as running:
        reader, writer = await running.open()
        writer.write(
            b"POST /x HTTP/1.1\r\nHost: g\r\nContent-Length: 2\r\nExpect: 100-continue\r\n"
            b"Connection: close\r\n\r\n"
        )
        async with asyncio.timeout(60):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"{}")
            assert (await reader.read()).endswith(b"ok")
    assert b"expect" not in seen.lower()


async def test_slow_api_server_slows_the_upload() -> None:
    taken, go_on = 0, asyncio.Event()
    total = 64 * 2**20

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        await read_request(reader)
        await go_on.wait()
        while taken < total:
            taken += len(await reader.read(2**20))
        writer.write(OK)
        await reader.read()

    async with relay(script) as running:
        reader, writer = await running.open()
        writer.write(b"POST /x HTTP/1.1\r\nHost: g\r\nContent-Length: %d\r\n\r\n" % total)
        sent, piece = 0, b"x" * 65536
        try:
            async with asyncio.timeout(2):
                while sent < total:
                    writer.write(piece)
                    await writer.drain()
                    sent += len(piece)
        except TimeoutError:
            pass
        assert sent < 32 * 2**20, "the relay must not buffer what the upstream does not read"
        go_on.set()
        async with asyncio.timeout(60):
            while sent < total:
                sent += len(piece)
                if sent < total:
                    writer.write(piece)
                    await writer.drain()
            writer.write(piece * 2)
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_truncated_body_is_not_completed(upload: Upload) -> None:
    upload.writer.close()
    async with asyncio.timeout(60):
        assert isinstance(await upload.end, Exception)


async def test_early_response_ends_the_upload() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await reader.read()

    async with relay(script) as running:
        reader, writer = await running.open()
        writer.write(b"POST /x HTTP/1.1\r\nHost: g\r\nContent-Length: 1000000\r\n\r\nabc")
        async with asyncio.timeout(60):
            assert b"413" in await reader.readuntil(b"no")
            while running.pool.connections:
                await asyncio.sleep(0)
        writer.close()


async def test_malformed_chunked_body_is_rejected_and_not_completed(upload: Upload) -> None:
    upload.writer.write(b"zz\r\nGET /hidden HTTP/1.1\r\nHost: g\r\n\r\n")
    async with asyncio.timeout(60):
        response = await upload.reader.read()
        assert isinstance(await upload.end, Exception)
    assert b"malformed" in response
    assert response.count(b"HTTP/1.1") == 1
    assert len(upload.running.connections) == 1


async def test_head_over_the_total_limit_is_rejected_before_it_is_buffered() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError("nothing may arrive")

    async with relay(script) as running:
        reader, writer = await running.open()
        writer.write(b"GET /x HTTP/1.1\r\nHost: g\r\n")
        for number in range(200):
            writer.write(b"X-Filler-%d: %b\r\n" % (number, b"x" * 8000))
        async with asyncio.timeout(60):
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.split(b" ", 2)[1] in {b"400", b"431"}
        writer.transport.abort()
    assert running.connections == []
