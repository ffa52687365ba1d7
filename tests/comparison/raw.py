"""Raw HTTP/1.1 on both sides: heads, bytes and when they come, with no client library's opinion."""

import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

from tests.comparison.sides import Side

Pairs = Sequence[tuple[str, str]]

SECONDS = 60.0
"""How long to wait for a byte before the case has failed."""

DIFFERENT = frozenset({"audit-id", "date", "x-request-id"})
"""Headers whose values are made anew for each request."""


@contextmanager
def asked(
    side: Side, method: str, path: str, headers: Pairs = (), body: bytes | None = None
) -> Iterator[http.client.HTTPResponse]:
    """One request; the answer as soon as its head is there."""
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
        answer = connection.getresponse()
        with answer:
            yield answer


def head(answer: http.client.HTTPResponse) -> dict[str, Any]:
    """Status and headers as they are compared; that the request's own id is there is checked."""
    sent = [(name.lower(), value) for name, value in answer.getheaders()]
    return {
        "status": answer.status,
        "reason": answer.reason,
        "headers": sorted(pair for pair in sent if pair[0] not in DIFFERENT),
    }


def ask(
    side: Side, method: str, path: str, headers: Pairs = (), body: bytes | None = None
) -> tuple[dict[str, Any], bytes]:
    """One request to its end: head and body."""
    with asked(side, method, path, headers, body) as answer:
        return head(answer), answer.read()


def expecting(
    side: Side, method: str, path: str, headers: Mapping[str, str], body: bytes
) -> list[str]:
    """Ask ``Expect: 100-continue``, send the body when told so; the status lines that came.

    The body is not sent before a first status line has come: whoever waits for it, fails.
    """
    url = urlsplit(side.server)
    lines = [f"{method} {url.path}{path} HTTP/1.1", f"Host: {url.netloc}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (*side.credentials, *headers.items())]
    lines += [f"Content-Length: {len(body)}", "Expect: 100-continue", "", ""]
    with secured(side) as connection, connection.makefile("rb") as answers:
        connection.sendall("\r\n".join(lines).encode())
        first = answers.readline()
        if b" 100 " not in first:
            return [first.decode().strip()]
        assert answers.readline() == b"\r\n"
        connection.sendall(body)
        return [first.decode().strip(), answers.readline().decode().strip()]


@contextmanager
def secured(side: Side) -> Iterator[ssl.SSLSocket]:
    """A TLS connection to the side's server."""
    url = urlsplit(side.server)
    address = (str(url.hostname), int(url.port or 443))
    with (
        socket.create_connection(address, SECONDS) as plain,
        side.context.wrap_socket(plain, server_hostname=address[0]) as connection,
    ):
        yield connection
