"""Requests of the command line to real sockets: what is sent, and when a connection ends."""

import asyncio

import pytest

from agent.http.connection import Address
from agent.http.errors import (
    InvalidUrl,
)
from proxy.cli.http.exchange import exchange
from tests.proxy.cli.http.listeners import HEAD, TLS, listening, sending
from tests.support.isolation import free_port


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
