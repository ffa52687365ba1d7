"""Errors of connections, of each library that raises them, as one plain line."""

import errno
import socket
import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from agent.http.errors import (
    BodyTooLarge,
    BrokenBody,
    ConnectionEnded,
    InvalidUrl,
    NotHttp,
    ProxyRefused,
    ProxyUnreachable,
)
from management.kubernetes.responses import connection_error
from proxy.cli.client.connection_errors import why_unreachable
from tests.proxy.cli.plain_lines import assert_plain


def _key() -> ConnectionKey:
    return ConnectionKey("server", 443, True, ssl.create_default_context(), None, None, None)


def _errors() -> list[Exception]:
    """Return every kind of error that aiohttp's client, TLS or the system may raise."""
    refused = OSError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)")
    several = OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 1, 0, 0)")
    made: list[Exception] = [
        aiohttp.ClientConnectorError(_key(), refused),
        aiohttp.ClientConnectorError(_key(), several),
        aiohttp.ClientProxyConnectionError(_key(), refused),
        aiohttp.ClientConnectorDNSError(_key(), OSError(-2, "Name or service not known")),
        aiohttp.ClientConnectorSSLError(_key(), ssl.SSLError(1, "[SSL] internal error (_ssl.c:1)")),
        aiohttp.ClientConnectorCertificateError(_key(), ssl.SSLCertVerificationError(1, "x")),
        aiohttp.ServerDisconnectedError(),
        aiohttp.ServerTimeoutError(),
        aiohttp.ClientOSError(errno.ECONNRESET, "Connection reset by peer"),
        aiohttp.ClientPayloadError("Response payload is not completed: <TransferEncodingError>"),
        aiohttp.InvalidURL("x"),
        aiohttp.ClientError(),
        TimeoutError(),
        ConnectionResetError(),
        ssl.SSLError("x"),
        ssl.SSLCertVerificationError("x"),
        ValueError("Cannot parse <object at 0x7f>"),
        UnicodeError("label too long"),
        OSError(),
        RuntimeError("<x at 0x12345>"),
    ]
    return made


def _client_errors() -> list[Exception]:
    """Return every kind of error that a request of the command line may raise."""
    refused = OSError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)")
    return [
        *(one for one in _errors() if not isinstance(one, aiohttp.ClientError)),
        ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('::1', 1, 0, 0)"),
        OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 1, 0, 0)"),
        socket.gaierror(-2, "Name or service not known"),
        ssl.SSLError(1, "[SSL] internal error (_ssl.c:1)"),
        BodyTooLarge("x"),
        BrokenBody("<x at 0x12345>"),
        ConnectionEnded(),
        InvalidUrl("x"),
        NotHttp("<x at 0x12345>"),
        ProxyRefused(407),
        ProxyUnreachable(refused),
    ]


@pytest.mark.parametrize("exc", _client_errors(), ids=lambda exc: type(exc).__name__)
@pytest.mark.parametrize("proxy", [None, "http://me:hush@proxy:3128"])
def test_connection_error_is_one_plain_line(exc: Exception, proxy: str | None) -> None:
    message = why_unreachable(exc, "https://server.example", 30, proxy)
    assert_plain(f"sekisho: error: {message}")
    assert "hush" not in message
    assert message.startswith(
        ("https://server.example ", "the certificate of https://server.example")
    )


@pytest.mark.parametrize("exc", _errors(), ids=lambda exc: type(exc).__name__)
def test_cluster_connection_error_is_one_plain_line(exc: Exception) -> None:
    """``cluster add`` and ``cluster import`` print these texts, and the API returns them."""
    message = str(connection_error("https://10.0.0.1:6443", exc))
    assert_plain(f"sekisho: error: {message}")
    assert message.startswith("https://10.0.0.1:6443: ")


def test_expired_certificate_asks_about_the_clock() -> None:
    ended = ssl.SSLCertVerificationError(1, "x")
    ended.verify_message = "certificate has expired"
    message = why_unreachable(ended, "https://server.example", 30, None)
    assert "is this machine's clock right?" in message
