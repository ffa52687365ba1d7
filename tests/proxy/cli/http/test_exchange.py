"""Requests of the command line to real sockets: servers, HTTP proxies and what they may send."""

import asyncio
import base64
import gzip
import ssl
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.http.connection import Address
from agent.http.errors import (
    BodyTooLarge,
    BrokenBody,
    ConnectionEnded,
    HttpError,
    InvalidUrl,
    NotHttp,
    ProxyRefused,
)
from proxy.cli.http.exchange import exchange
from tests.support.directory_pki import make_pki
from tests.support.isolation import free_port

TLS = ssl.create_default_context()
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Run ``handler`` for each connection and yield the port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


def sending(*pieces: bytes) -> Handler:
    """Return a handler that reads a request's head and sends ``pieces``."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return handler


async def fetch(*pieces: bytes, most: int = 1000) -> bytes:
    async with (
        listening(sending(*pieces)) as port,
        exchange("GET", f"http://127.0.0.1:{port}/v1", tls=TLS) as response,
    ):
        assert response.status == 200
        return await response.read(most)


HEAD = b"HTTP/1.1 200 OK\r\n"
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


@settings(max_examples=60, deadline=None)
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


async def test_request_has_its_body_headers_and_query() -> None:
    seen: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(2))
        writer.write(HEAD + b"Content-Length: 0\r\n\r\n")

    async with (
        listening(handler) as port,
        exchange(
            *("PUT", f"http://127.0.0.1:{port}/v1/x?a=%20b"),
            tls=TLS,
            headers={"If-Match": '"7"'},
            body=b"{}",
        ) as response,
    ):
        assert await response.read(10) == b""
    head = seen[0].decode().lower()
    assert head.startswith("put /v1/x?a=%20b http/1.1\r\nhost: 127.0.0.1:")
    assert 'if-match: "7"\r\n' in head
    assert head.endswith("content-length: 2\r\n\r\n{}")


async def test_response_to_half_a_request_is_read() -> None:
    """A server refuses a large body while it is being sent, and closes."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await reader.read(1000)

    async with (
        listening(handler) as port,
        exchange("POST", f"http://127.0.0.1:{port}/", tls=TLS, body=b"x" * 3_000_000) as response,
    ):
        assert response.status == 413


async def test_cancelled_request_closes_its_connection() -> None:
    begun, closed = asyncio.Event(), asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        begun.set()
        assert await reader.read(1) == b""
        closed.set()

    async def run(port: int) -> None:
        async with exchange("GET", f"http://127.0.0.1:{port}/", tls=TLS):
            raise AssertionError("there is no response")

    async with listening(handler) as port:
        task = asyncio.create_task(run(port))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await closed.wait()


def tunnelling(connects: list[str], *, early: bytes = b"") -> Handler:
    """Return an HTTP proxy that relays ``CONNECT``, and records the heads of its requests."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        connects.append(head)
        host, _, port = head.split()[1].rpartition(":")
        assert host == "server.example"
        upstream = await asyncio.open_connection("127.0.0.1", int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n" + early)
        await asyncio.gather(pump(reader, upstream[1]), pump(upstream[0], writer))

    return handler


def server_tls(folder: Path, *names: str) -> tuple[ssl.SSLContext, str]:
    """Return the TLS context of a server, and the CA that verifies it."""
    pki = make_pki(folder, *names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.certificate, pki.key)
    return context, pki.ca.read_text()


async def test_https_goes_through_a_proxy_that_wants_a_password(tmp_path: Path) -> None:
    tls, ca_pem = server_tls(tmp_path, "server.example")
    trusted = ssl.create_default_context(cadata=ca_pem)
    connects: list[str] = []
    body = b"x" * 300_000
    hello = sending(HEAD + b"Content-Length: 300000\r\n\r\n" + body)
    async with listening(hello, tls) as port, listening(tunnelling(connects)) as proxy:
        url = f"https://server.example:{port}/v1"
        via = f"http://me%40corp:hush%3A@127.0.0.1:{proxy}"
        async with exchange("GET", url, tls=trusted, proxy=via) as response:
            assert await response.read(400_000) == body
        with pytest.raises(ssl.SSLCertVerificationError):
            async with exchange("GET", url, tls=TLS, proxy=via):
                raise AssertionError("the certificate isn't trusted")
    sent = base64.b64encode(b"me@corp:hush:").decode()
    assert f"Basic {sent}\r\n" in connects[0]
    assert connects[0].startswith(f"CONNECT server.example:{port} HTTP/1.1\r\n")


async def test_https_goes_through_a_proxy_with_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, ca_pem = server_tls(tmp_path / "server", "server.example")
    proxy_tls, _ = server_tls(tmp_path / "proxy", "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "proxy" / "ca.crt"))
    trusted = ssl.create_default_context(cadata=ca_pem)
    hello = sending(HEAD + b"Content-Length: 5\r\n\r\nhello")
    async with listening(hello, tls) as port, listening(tunnelling([]), proxy_tls) as proxy:
        url, via = f"https://server.example:{port}/", f"https://127.0.0.1:{proxy}"
        async with exchange("GET", url, tls=trusted, proxy=via) as response:
            assert await response.read(10) == b"hello"


async def test_data_of_a_proxy_before_the_handshake_is_refused(tmp_path: Path) -> None:
    hello = sending(HEAD + b"\r\n")
    async with listening(hello) as port, listening(tunnelling([], early=b"x")) as proxy:
        with pytest.raises(NotHttp):
            async with exchange(
                *("GET", f"https://server.example:{port}/"),
                tls=TLS,
                proxy=f"http://127.0.0.1:{proxy}",
            ):
                raise AssertionError("it is not the server's")


async def test_proxy_that_refuses_is_named_by_its_status() -> None:
    async with listening(sending(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")) as proxy:
        via = f"http://127.0.0.1:{proxy}"
        with pytest.raises(ProxyRefused) as caught:
            async with exchange("GET", "https://server.invalid/", tls=TLS, proxy=via):
                raise AssertionError("there is no connection")
    assert caught.value.status == 407


async def test_refused_connection_raises_the_error_of_the_system() -> None:
    with pytest.raises(ConnectionRefusedError):
        async with exchange("GET", f"http://127.0.0.1:{free_port()}/", tls=TLS):
            raise AssertionError("nothing listens there")


@pytest.mark.parametrize(
    ("url", "authority", "target"),
    [
        ("https://h.example", "h.example", "/"),
        ("https://h.example:443/a?b=c", "h.example", "/a?b=c"),
        ("http://[::1]:8080/", "[::1]:8080", "/"),
        ("https://zo\u00eb.example/", "xn--zo-ija.example", "/"),
    ],
)
def test_address_names_host_and_target(url: str, authority: str, target: str) -> None:
    found = Address.of(url)
    assert (found.authority, found.target) == (authority, target)


@pytest.mark.parametrize(
    "url", ["https://", "ftp://x", "https://a b", "https://h:x", "https://h/a\nb c", "https://a..b"]
)
def test_address_of_invalid_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidUrl):
        Address.of(url)


@pytest.mark.parametrize("field", ["a\r\nX: y", "a\0"])
async def test_field_that_would_end_its_line_is_refused(field: str) -> None:
    async with listening(sending(HEAD + b"\r\n")) as port:
        with pytest.raises(InvalidUrl):
            async with exchange(
                "GET", f"http://127.0.0.1:{port}/", tls=TLS, headers={"X-Name": field}
            ):
                raise AssertionError("it was sent")
