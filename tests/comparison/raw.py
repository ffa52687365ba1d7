"""Raw HTTP/1.1 requests on both sides, without a Kubernetes client library."""

import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

from tests.comparison.sides import Side

Pairs = Sequence[tuple[str, str]]

SECONDS = 180.0
"""Seconds to wait for a byte before the case fails."""

VOLATILE_HEADERS = frozenset({"audit-id", "date", "x-request-id"})
"""Headers whose values are new for each request."""


@contextmanager
def open_response(
    side: Side, method: str, path: str, headers: Pairs = (), body: bytes | None = None
) -> Iterator[http.client.HTTPResponse]:
    """Send a request; yields the response as soon as its head has arrived."""
    url = urlsplit(side.server)
    connection = http.client.HTTPSConnection(
        str(url.hostname), url.port, context=side.context, timeout=SECONDS
    )
    with closing(connection):
        connection.putrequest(method, url.path + path, skip_accept_encoding=True)
        for name, value in (*side.credentials, *headers):
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        with response:
            yield response


def head(response: http.client.HTTPResponse) -> dict[str, Any]:
    """Return status, reason and headers without the volatile ones."""
    sent = [(name.lower(), value) for name, value in response.getheaders()]
    return {
        "status": response.status,
        "reason": response.reason,
        "headers": sorted(pair for pair in sent if pair[0] not in VOLATILE_HEADERS),
    }


def send_request(
    side: Side, method: str, path: str, headers: Pairs = (), body: bytes | None = None
) -> tuple[dict[str, Any], bytes]:
    """Send a request; return the comparable head and the body."""
    with open_response(side, method, path, headers, body) as response:
        return head(response), response.read()


def send_with_expect(
    side: Side, method: str, path: str, headers: Mapping[str, str], body: bytes
) -> list[str]:
    """Send ``Expect: 100-continue`` and then the body; return the received status lines.

    The body follows only after the first status line, so a server that waits for it fails the test.
    """
    url = urlsplit(side.server)
    lines = [f"{method} {url.path}{path} HTTP/1.1", f"Host: {url.netloc}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (*side.credentials, *headers.items())]
    lines += [f"Content-Length: {len(body)}", "Expect: 100-continue", "", ""]
    with connect_tls(side) as connection, connection.makefile("rb") as responses:
        connection.sendall("\r\n".join(lines).encode())
        first = responses.readline()
        if b" 100 " not in first:
            return [first.decode().strip()]
        assert responses.readline() == b"\r\n"
        connection.sendall(body)
        return [first.decode().strip(), responses.readline().decode().strip()]


@contextmanager
def connect_tls(side: Side) -> Iterator[ssl.SSLSocket]:
    """Open a TLS connection to the side's server."""
    url = urlsplit(side.server)
    address = (str(url.hostname), int(url.port or 443))
    with (
        socket.create_connection(address, SECONDS) as plain,
        side.context.wrap_socket(plain, server_hostname=address[0]) as connection,
    ):
        yield connection
