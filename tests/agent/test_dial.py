"""A dial opens a tunnel with the trust it was given, or says in one line why not."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.dial import MAX_RETRY_AFTER, DialError, Target, dialed
from agent.dial_failures import cause_of
from agent.http.errors import ConnectionEnded
from agent.tunnel.connection import TunnelConnection
from agent.tunnel.stream_handler import StreamHandler
from tests.agent.connect_proxy import connect_proxy
from tests.agent.tunnel_peer import TunnelServer, tunnel_server
from tests.support.directory_pki import make_pki
from tests.support.sekisho import free_port
from tests.support.waiting import eventually

TOKEN = "secret-token"


def _no_stream(number: int) -> StreamHandler:
    raise AssertionError(f"stream {number} is not expected")


def server_tls(folder: Path, *names: str) -> tuple[ssl.SSLContext, str]:
    """Return the context of a server, and the PEM of its CA."""
    pki = make_pki(folder, *names)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pki.certificate, pki.key)
    return context, pki.ca.read_text()


@asynccontextmanager
async def opened(target: Target) -> AsyncIterator[TunnelConnection]:
    """Dial, and yield the agent's end when a ping was answered."""
    tunnel = TunnelConnection(client=True, accept=_no_stream, lost=lambda _: None)
    async with dialed(target, tunnel):
        await eventually(lambda: tunnel.round_trip > 0)
        yield tunnel


async def failure(target: Target) -> DialError:
    """Return the error of a dial. It has one line, without the token."""
    with pytest.raises(DialError) as caught:
        async with opened(target):
            pass
    assert TOKEN not in str(caught.value)
    assert str(caught.value).isprintable()
    return caught.value


def response(status: str, body: bytes = b"", *fields: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def test_tunnel_opens_over_tls_through_a_proxy_over_tls_on_both_event_loops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, ca_pem = server_tls(tmp_path / "server", "sekisho.example")
    proxy_tls, _ = server_tls(tmp_path / "proxy", "127.0.0.1")
    # A proxy over TLS is verified with the system's trust store, the server with its CA only.
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "proxy" / "ca.crt"))

    async def run() -> None:
        async with (
            tunnel_server(tls=tls) as server,
            connect_proxy(server.port, "me@corp:hush", proxy_tls) as proxy,
        ):
            via = f"https://me%40corp:hush@127.0.0.1:{proxy.port}"
            target = Target("https://sekisho.example", TOKEN, ca_pem, via)
            async with opened(target):
                assert proxy.asked == ["sekisho.example:443"]
                assert server.requests[0]["Host"] == "sekisho.example"
                assert server.requests[0]["Authorization"] == f"Bearer {TOKEN}"

    asyncio.run(run())
    uvloop.run(run())


async def test_proxy_that_wants_another_account_is_reported_without_the_password() -> None:
    async with connect_proxy(1, "me:hush-hush") as proxy:
        via = f"http://me:wrong-pass@127.0.0.1:{proxy.port}"
        error = await failure(Target("https://sekisho.example", TOKEN, proxy=via))
    assert f"the proxy 127.0.0.1:{proxy.port} of HTTPS_PROXY responded 407" in str(error)
    assert "wrong-pass" not in f"{error!r} {error.__cause__!r}"


async def test_unreachable_proxy_is_reported_as_the_proxy() -> None:
    via = f"http://me:hush-hush@127.0.0.1:{free_port()}"
    error = await failure(Target("https://sekisho.example", TOKEN, proxy=via))
    assert "cannot be used: connection refused" in str(error)
    assert "hush" not in str(error)


def test_silent_proxy_is_named_without_its_account() -> None:
    target = Target("https://sekisho.example", TOKEN, proxy="http://me:hush@proxy.example:3128")
    for silence in (TimeoutError(), ConnectionEnded()):
        message = cause_of(silence, target, 20)
        assert "through the proxy proxy.example:3128 of HTTPS_PROXY" in message
        assert "hush" not in message


async def test_certificate_of_another_ca_is_refused_and_the_ca_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, _ = server_tls(tmp_path / "server", "127.0.0.1")
    _, other = server_tls(tmp_path / "other", "127.0.0.1")
    # The system's trust store has the right one, and does not count (CVE-2024-22030).
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server" / "ca.crt"))
    async with tunnel_server(tls=tls) as server:
        url = f"https://127.0.0.1:{server.port}"
        error = await failure(Target(url, TOKEN, other, ca_file="/etc/agent/ca.crt"))
        assert "write the CA of the server into /etc/agent/ca.crt" in str(error)
        assert server.requests == []


async def test_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    tls, ca_pem = server_tls(tmp_path, "elsewhere.example")
    async with tunnel_server(tls=tls) as server:
        error = await failure(Target(f"https://127.0.0.1:{server.port}", TOKEN, ca_pem))
        assert "the name must be one of the certificate's" in str(error)
        assert server.requests == []


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (response("401 No", b'{"detail": "it is\\nrevoked"}'), "401: it is revoked; the token in"),
        (response("404 Not Found", b"<html>"), "older than tunnels"),
        (response("302 Found", b"", "Location: https://elsewhere.example"), "redirect"),
        (response("400 Bad Request"), "may not pass WebSockets on"),
        (response("502 Bad Gateway", b"x" * 100_000), "check --server"),
        (response("200 OK", b"[" * 3000), "check --server"),
        (b"HTTP/1.1 500 Oops\r\n\r\n{", "responded 500"),
        (b"SSH-2.0-OpenSSH_9\r\n", "did not respond with HTTP"),
        (b"", "closed the connection"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "not for this request"),
    ],
)
async def test_server_that_opens_no_tunnel_is_reported_with_cause_and_remedy(
    refusal: bytes, words: str
) -> None:
    async with tunnel_server() as server:
        server.refusal = refusal
        assert words in str(await failure(Target(server.url, TOKEN)))
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), ("9" * 200, MAX_RETRY_AFTER), ("-1", 0.0), ("Fri, 1 Jan 2027", 0.0), ("٣", 0.0)],
)
async def test_retry_after_is_bounded(text: str, seconds: float) -> None:
    async with tunnel_server() as server:
        server.refusal = response("503 Busy").replace(
            b"\r\n\r\n", b"\r\nRetry-After: " + text.encode() + b"\r\n\r\n"
        )
        assert (await failure(Target(server.url, TOKEN))).retry_after == seconds


async def test_server_that_is_away_is_reported() -> None:
    error = await failure(Target(f"https://127.0.0.1:{free_port()}", TOKEN))
    assert "connection refused" in str(error)


async def test_name_that_does_not_exist_is_reported() -> None:
    error = await failure(Target("https://no-such-host.invalid", TOKEN))
    assert "no such name as no-such-host.invalid" in str(error)


async def test_file_that_is_no_ca_is_reported() -> None:
    error = await failure(Target("https://127.0.0.1:1", TOKEN, "no PEM", ca_file="/ca.crt"))
    assert "/ca.crt is not a PEM file" in str(error)


async def test_slow_address_does_not_hold_up_the_next_one() -> None:
    # "localhost" may have two addresses; the server listens on one of them.
    async with tunnel_server() as server, opened(Target(f"http://localhost:{server.port}", TOKEN)):
        assert server.tunnels


def _ended(server: TunnelServer) -> bool:
    return bool(server.ended)


async def test_connection_ends_with_the_context() -> None:
    async with tunnel_server() as server:
        async with opened(Target(server.url, TOKEN)):
            pass
        await eventually(lambda: _ended(server))
        assert "the agent ends this tunnel" in server.ended[0]


@given(st.binary(max_size=300))
@settings(max_examples=60)
def test_any_bytes_as_response_raise_dial_error_only(data: bytes) -> None:
    async def run() -> None:
        async with tunnel_server() as server:
            server.refusal = data
            await failure(Target(server.url, TOKEN))

    asyncio.run(run())
