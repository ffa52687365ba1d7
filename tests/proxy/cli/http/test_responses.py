"""Responses of any server are read in bounded memory and linear time."""

import asyncio
import gzip
import time
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.http.errors import (
    BodyTooLarge,
    BrokenBody,
    ConnectionEnded,
    HttpError,
    NotHttp,
)
from proxy.cli.http.exchange import exchange
from tests.proxy.cli.http.listeners import HEAD, TLS, fetch, listening, sending

GZIP = HEAD + b"Content-Encoding: gzip\r\n\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        (HEAD + b"Content-Length: 5\r\n\r\nhello",),
        (HEAD, b"Content-Length: 5\r\n\r\n", b"he", b"llo"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", b"2\r\nlo\r\n0\r\n\r\n"),
        (HEAD + b"\r\n", b"hello"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Content-Length: 5\r\n\r\nhello",),
        (GZIP + gzip.compress(b"hello"),),
    ],
    ids=["length", "pieces", "chunks", "until it closes", "interim response", "gzip"],
)
async def test_body_is_read_in_each_framing(pieces: tuple[bytes, ...]) -> None:
    assert await fetch(*pieces) == b"hello"


@pytest.mark.parametrize(
    ("pieces", "error"),
    [
        ((HEAD + b"Content-Length: 9\r\n\r\nhello",), BrokenBody),
        ((HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",), BrokenBody),
        ((GZIP + gzip.compress(b"hello")[:-3],), BrokenBody),
        ((GZIP + b"hello",), BrokenBody),
        ((HEAD + b"Content-Encoding: br\r\n\r\nhello",), BrokenBody),
        ((HEAD + b"Content-Length: 2000\r\n\r\n" + b"x" * 2000,), BodyTooLarge),
        ((GZIP + gzip.compress(b"x" * 2000),), BodyTooLarge),
        ((b"SSH-2.0-OpenSSH\r\n",), NotHttp),
        ((HEAD + b"X: " + b"y" * 100_000,), NotHttp),
        ((b"HTTP/1.1 100 Continue\r\n\r\n" * 100,), NotHttp),
        ((), ConnectionEnded),
    ],
)
async def test_broken_or_large_response_raises_its_error(
    pieces: tuple[bytes, ...], error: type[HttpError]
) -> None:
    with pytest.raises(error):
        await fetch(*pieces)


async def test_gzip_bomb_takes_bounded_memory() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge):
            await fetch(GZIP, bomb, most=100_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000


@settings(max_examples=60)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_as_response_raise_http_errors_only(data: bytes, after_head: bool) -> None:
    async def run() -> None:
        with suppress(HttpError, OSError, AssertionError):
            await fetch(HEAD + data if after_head else data)

    asyncio.run(run())


async def test_lines_arrive_while_the_response_runs() -> None:
    received = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"\r\none\r\n\ntw")
        await received.wait()
        writer.write(b"o\nincomplete")

    async with (
        listening(handler) as port,
        exchange("GET", f"http://127.0.0.1:{port}/", tls=TLS) as response,
    ):
        lines = response.lines(100)
        assert [await anext(lines), await anext(lines)] == [b"one", b""]
        received.set()
        assert [line async for line in lines] == [b"two"]


async def test_endless_line_is_refused_at_its_limit() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with (
        listening(handler) as port,
        exchange("GET", f"http://127.0.0.1:{port}/", tls=TLS) as response,
    ):
        with pytest.raises(BodyTooLarge):
            await anext(response.lines(1_000_000))


async def test_line_in_small_pieces_takes_linear_time() -> None:
    async def seconds(count: int) -> float:
        begun = time.process_time()
        body = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * count
        async with (
            listening(sending(body + b"0\r\n\r\n")) as port,
            exchange("GET", f"http://127.0.0.1:{port}/", tls=TLS) as response,
        ):
            assert [line async for line in response.lines(10**6)] == []
        return time.process_time() - begun

    short = await seconds(5_000)
    assert await seconds(40_000) < 8 * 4 * max(short, 0.01)
