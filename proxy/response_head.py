"""What a client is told of an API server's answer. Pure.

Everything end-to-end passes as it came. What doesn't: hop-by-hop lines, cookies (the gate's origin
is not the cluster's to set cookies on), and locations, which must lead back through the gate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_DROPPED = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-connection",
        b"set-cookie",
        b"set-cookie2",
        b"te",
        b"transfer-encoding",
        b"upgrade",
        b"x-request-id",
    }
)

SANDBOX = (
    b"Content-Security-Policy: sandbox allow-scripts allow-forms allow-popups\r\n"
    b"X-Content-Type-Options: nosniff\r\n"
)
"""Sent to browsers that came with a cookie: a page served by somebody's pod gets no share in the
gate's origin."""


@dataclass(frozen=True, slots=True)
class Framing:
    """How long a body is: ``chunked``, or ``length`` bytes, or neither: until the connection ends.

    ``empty`` is an answer that has no body whatever its headers say (RFC 9112 §6.3).
    """

    chunked: bool
    length: bytes | None
    empty: bool


def framing_of(status: int, headers: Sequence[tuple[bytes, bytes]], *, to_head: bool) -> Framing:
    """How an upstream answer is framed; ``to_head`` where HEAD was asked.

    llhttp has refused lengths that contradict each other before this is called.
    """
    chunked, length = False, None
    for name, value in headers:
        size = len(name)
        if size == 14 and name.lower() == b"content-length":
            length = value
        elif size == 17 and name.lower() == b"transfer-encoding":
            chunked = b"chunked" in value.lower()
    return Framing(chunked, length, to_head or status in {204, 304})


def response_head(
    status: int,
    reason: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    *,
    framing: Framing,
    http_1_1: bool,
    keep_alive: bool,
    prefix: bytes,
    extra: bytes,
) -> bytes:
    """The status line and header lines for the client.

    ``prefix`` is the gate's path of the cluster, for locations; ``extra`` are lines of our own.
    """
    lines = [b"HTTP/1.1 %d %b\r\n" % (status, reason)]
    for name, value in headers:
        kind = _kind(name)
        if kind == _PASS:
            lines.append(b"%b: %b\r\n" % (name, value))
        elif kind == _LOCATION:
            lines.append(b"%b: %b\r\n" % (name, through_gate(value, prefix)))
    if http_1_1:
        if not framing.empty and framing.length is None:
            lines.append(b"Transfer-Encoding: chunked\r\n")
        if not keep_alive:
            lines.append(b"Connection: close\r\n")
    elif keep_alive:
        lines.append(b"Connection: keep-alive\r\n")
    lines.append(extra)
    lines.append(b"\r\n")
    return b"".join(lines)


def switching_head(headers: Sequence[tuple[bytes, bytes]], *, extra: bytes) -> bytes:
    """The head of a ``101 Switching Protocols``, hop-by-hop lines included: they are its point."""
    lines = [b"HTTP/1.1 101 Switching Protocols\r\n"]
    lines += [
        b"%b: %b\r\n" % line
        for line in headers
        if line[0].lower() not in {b"set-cookie", b"x-request-id"}
    ]
    return b"".join((*lines, extra, b"\r\n"))


def through_gate(location: bytes, prefix: bytes) -> bytes:
    """A location as the client must ask for it: an absolute path is below the cluster's prefix."""
    if location.startswith(b"/") and not location.startswith(b"//"):
        return prefix + location
    return location


def trailer_lines(trailers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Trailers that may be passed on: none that frames or routes, RFC 9110 §6.5.1."""
    return b"".join(
        b"%b: %b\r\n" % line
        for line in trailers
        if _kind(line[0]) == _PASS and line[0].lower() not in {b"content-length", b"trailer"}
    )


_PASS, _DROP, _LOCATION = range(3)


@lru_cache(maxsize=512)
def _kind(name: bytes) -> int:
    lower = name.lower()
    if lower in _DROPPED:
        return _DROP
    return _LOCATION if lower in {b"location", b"content-location"} else _PASS
