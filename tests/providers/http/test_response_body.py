"""Tests of untrusted response bodies: bounded, and read in linear time."""

import gzip
import json
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from providers.http.response_body import (
    MAX_DEPTH,
    BodyTooLarge,
    InvalidJsonBody,
    UnreadableResponse,
    open_session,
    parse_json,
    read_body,
    read_lines,
)

MiB = 1024 * 1024
RequestChunks = Callable[..., Awaitable[aiohttp.ClientResponse]]


@pytest.fixture
async def request_chunks() -> AsyncIterator[RequestChunks]:
    """Return a function that requests ``chunks`` from a server and returns the response."""
    runners: list[web.ServerRunner] = []
    sessions: list[aiohttp.ClientSession] = []

    async def request_chunks(
        *chunks: bytes, repeat: int = 1, **headers: str
    ) -> aiohttp.ClientResponse:
        named = {key.replace("_", "-"): value for key, value in headers.items()}

        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            response = web.StreamResponse(headers=named)
            await response.prepare(request)
            for _ in range(repeat):
                for chunk in chunks:
                    await response.write(chunk)
            return response

        runner = web.ServerRunner(web.Server(handler), shutdown_timeout=1)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        session = open_session(timeout=aiohttp.ClientTimeout(total=60))
        sessions.append(session)
        return await session.get(f"http://127.0.0.1:{runner.addresses[0][1]}/")

    yield request_chunks
    for session in sessions:
        await session.close()
    for runner in runners:
        await runner.cleanup()


async def test_body_within_limit_is_read_completely(request_chunks: RequestChunks) -> None:
    assert await read_body(await request_chunks(b"a" * 1000, b"b"), 1001) == b"a" * 1000 + b"b"


async def test_body_over_limit_is_not_read_further(request_chunks: RequestChunks) -> None:
    response = await request_chunks(b"x" * 65536, repeat=10_000)
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge):
            await read_body(response, MiB)
        assert tracemalloc.get_traced_memory()[1] < 8 * MiB
    finally:
        tracemalloc.stop()


async def test_declared_length_over_limit_is_refused_before_reading(
    request_chunks: RequestChunks,
) -> None:
    with pytest.raises(BodyTooLarge):
        await read_body(await request_chunks(b"x" * 100, Content_Length="100"), 99)


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
async def test_body_compressed_without_request_is_decoded(
    request_chunks: RequestChunks, compress: Callable[[bytes], bytes]
) -> None:
    text = json.dumps(list(range(100_000))).encode()
    encoding = "gzip" if compress is gzip.compress else "deflate"
    response = await request_chunks(compress(text), Content_Encoding=encoding)
    assert await read_body(response, MiB) == text


async def test_gzip_bomb_takes_bounded_memory(request_chunks: RequestChunks) -> None:
    bomb = gzip.compress(b"\0" * (200 * MiB), 9, mtime=0)
    response = await request_chunks(bomb, Content_Encoding="gzip")
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge):
            await read_body(response, MiB)
        assert tracemalloc.get_traced_memory()[1] < 8 * MiB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"not gzip", "gzip"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-10], "gzip"),
        (gzip.compress(b"x", mtime=0) + b"more", "gzip"),
        (gzip.compress(b"x", mtime=0) * 2, "gzip"),
        (b"x", "br"),
        (b"x", "zstd"),
        (gzip.compress(gzip.compress(b"x", mtime=0), mtime=0), "gzip, gzip"),
    ],
)
async def test_body_with_invalid_encoding_is_refused(
    request_chunks: RequestChunks, body: bytes, encoding: str
) -> None:
    with pytest.raises(UnreadableResponse):
        await read_body(await request_chunks(body, Content_Encoding=encoding), MiB)


async def test_lines_are_read_across_chunks(request_chunks: RequestChunks) -> None:
    response = await request_chunks(b"one\ntw", b"o\n\n", b"three\nbroken off")
    assert [one async for one in read_lines(response, 100)] == [b"one", b"two", b"three"]


async def test_endless_line_is_refused_at_limit(request_chunks: RequestChunks) -> None:
    response = await request_chunks(b"x" * 65536, repeat=1000)
    with pytest.raises(BodyTooLarge):
        [one async for one in read_lines(response, MiB)]


async def test_long_line_in_small_chunks_takes_linear_time(request_chunks: RequestChunks) -> None:
    """A search of the whole buffer for each chunk would copy hundreds of gigabytes."""

    class Content:
        async def iter_any(self) -> AsyncIterator[bytes]:
            for _ in range(200_000):
                yield b"x" * 40
            yield b"\n"

    response = await request_chunks(b"")
    response.content = Content()  # type: ignore[assignment]
    started = time.process_time()
    [line] = [one async for one in read_lines(response, 8 * MiB)]
    assert len(line) == 8_000_000
    assert time.process_time() - started < 20


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b"[" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b"[NaN]",
        b"[Infinity]",
        b"[1e999]",
        b'["\\ud800"]',
        b'["\\uDfff x"]',
        b'["\xff"]',
        b"9" * 5000,
        b"",
        b"{",
    ],
)
def test_invalid_json_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidJsonBody):
        parse_json(text)


def test_json_nested_up_to_limit_is_parsed() -> None:
    assert parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    assert parse_json(b'{"a": "\\ud83d\\ude00 \\u003c"}') == {"a": "\N{GRINNING FACE} <"}


@pytest.mark.parametrize("value", [b"[]", b"{}", b"0", b'{"":[]}'])
def test_many_small_values_are_refused_before_parsing(value: bytes) -> None:
    text = b"[" + b",".join([value] * (4 * MiB // len(value))) + b"]"
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge):
            parse_json(text)
        assert tracemalloc.get_traced_memory()[1] < MiB
    finally:
        tracemalloc.stop()
