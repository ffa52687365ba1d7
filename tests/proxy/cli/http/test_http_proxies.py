"""Requests through HTTP proxies, and what these may send."""

import asyncio
import base64
import ssl
from pathlib import Path

import pytest

from agent.http.errors import (
    NotHttp,
    ProxyRefused,
)
from proxy.cli.http.exchange import exchange
from tests.proxy.cli.http.listeners import HEAD, TLS, Handler, listening, sending
from tests.support.directory_pki import make_pki


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
