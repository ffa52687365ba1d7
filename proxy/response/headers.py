"""What a client is told of an API server's answer. Pure.

Everything end-to-end passes as it came. What doesn't: hop-by-hop lines, cookies (the gate's origin
is not the cluster's to set cookies on), and locations, which must lead back through the gate.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

_DROPPED = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-connection",
        b"set-cookie",
        b"set-cookie2",
        b"te",
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


class Framing(NamedTuple):
    """How long a body is: ``chunked``, or ``length`` bytes, or neither: until the connection ends.

    ``empty`` is an answer that has no body whatever its headers say (RFC 9112 §6.3).
    """

    chunked: bool
    length: bytes | None
    empty: bool


def client_head(
    status: int,
    reason: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    *,
    to_head: bool,
    http_1_1: bool,
    keep_alive: bool,
    prefix: bytes,
    extra: bytes,
) -> tuple[Framing, bytes]:
    """How an upstream answer is framed, and the status line and header lines for the client.

    ``to_head`` where HEAD was asked; ``prefix`` is the gate's path of the cluster, for locations;
    ``extra`` are lines of our own. llhttp has refused lengths that contradict each other before
    this is called.
    """
    chunked, length = False, None
    parts = [b"HTTP/1.1 %d %b\r\n" % (status, reason)]
    for name, value in headers:
        kind, start = _kind(name) if len(name) <= _REMEMBERED_BYTES else _kind_of(name)
        if kind == _DROP:
            continue
        if kind == _LENGTH:
            length = value
        elif kind == _ENCODING:
            chunked = b"chunked" in value.lower()
            continue
        elif kind == _LOCATION:
            value = through_gate(value, prefix)
        parts += (start, value, b"\r\n")
    framing = Framing(chunked, length, to_head or status in _BODILESS)
    if http_1_1:
        if length is None and not framing.empty:
            parts.append(b"Transfer-Encoding: chunked\r\n")
        if not keep_alive:
            parts.append(b"Connection: close\r\n")
    elif keep_alive and (length is not None or framing.empty):
        parts.append(b"Connection: keep-alive\r\n")
    parts += (extra, b"\r\n")
    return framing, b"".join(parts)


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
        if _kind_of(line[0])[0] == _PASS and line[0].lower() != b"trailer"
    )


_PASS, _DROP, _LOCATION, _LENGTH, _ENCODING = range(5)
_BODILESS = frozenset({204, 304})
_KINDS = {
    b"content-length": _LENGTH,
    b"content-location": _LOCATION,
    b"location": _LOCATION,
    b"transfer-encoding": _ENCODING,
} | dict.fromkeys(_DROPPED, _DROP)


def _kind_of(name: bytes) -> tuple[int, bytes]:
    """What to do with a header of that name, and what its line begins with."""
    return _KINDS.get(name.lower(), _PASS), name + b": "


_REMEMBERED_BYTES = 64
"""Longer names are looked at each time: nobody shall fill the memory with them."""

_kind = lru_cache(maxsize=512)(_kind_of)
"""The same, for the few names that come again and again."""
