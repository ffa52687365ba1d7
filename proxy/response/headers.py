"""The header block of a response for the client. Pure.

End-to-end headers pass unchanged, except those that act on the whole origin
(:mod:`proxy.response.origin_headers`), and locations, which must lead back through the proxy
(:mod:`proxy.response.references`). Hop-by-hop headers are dropped, and so is the one that marks
Sekisho's own responses, which no cluster can send.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from management.http.decisions import RESPONDER
from proxy.response.origin_headers import acts_on_origin
from proxy.response.pages import CHANGED_BY_REWRITING
from proxy.response.references import NO_UPSTREAMS, Upstreams, rewrite_location

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-connection",
        RESPONDER.lower().encode(),
        b"te",
        b"upgrade",
        b"x-request-id",
    }
)

SANDBOX = (
    b"Content-Security-Policy: sandbox allow-scripts allow-forms allow-popups\r\n"
    b"X-Content-Type-Options: nosniff\r\n"
)
"""Added for browsers that sent a cookie: a page of a pod must not share Sekisho's origin."""


class BodyFraming(NamedTuple):
    """The length of a body: ``chunked``, ``length`` bytes, or until the connection ends.

    ``empty``: the response has no body whatever its headers are (RFC 9112 §6.3).
    """

    chunked: bool
    length: bytes | None
    empty: bool


def response_headers(
    status: int,
    reason: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    *,
    to_head: bool,
    http_1_1: bool,
    keep_alive: bool,
    prefix: bytes,
    extra: bytes,
    target: bytes = b"/",
    upstreams: Upstreams = NO_UPSTREAMS,
    rewritten: bool = False,
) -> tuple[BodyFraming, bytes]:
    """Return the framing of an upstream response, and its header block for the client.

    ``to_head``: the request was HEAD. ``extra`` are Sekisho's lines. ``prefix`` is the proxy's path
    of the cluster, ``target`` the target that the cluster received, and ``upstreams`` its hosts,
    for locations. ``rewritten``: the client gets another body. llhttp has rejected contradictory
    lengths before.
    """
    chunked, length = False, None
    bodiless = status in _BODILESS
    parts = [b"HTTP/1.1 %d %b\r\n" % (status, reason)]
    for name, value in headers:
        kind, start = _kind(name) if len(name) <= _REMEMBERED_BYTES else _kind_of(name)
        if kind == _DROP or (kind == _OF_BYTES and rewritten):
            continue
        if kind == _LENGTH:
            length = value
            if rewritten or bodiless:
                continue
        elif kind == _ENCODING:
            chunked = b"chunked" in value.lower()
            continue
        elif kind == _LOCATION:
            value = rewrite_location(value, target, prefix, upstreams)
        parts += (start, value, b"\r\n")
    framing = BodyFraming(chunked, None if bodiless else length, to_head or bodiless)
    sized = length is not None and not rewritten
    parts.append(_framing_lines(framing, sized=sized, http_1_1=http_1_1, keep_alive=keep_alive))
    parts += (extra, b"\r\n")
    return framing, b"".join(parts)


def _framing_lines(framing: BodyFraming, *, sized: bool, http_1_1: bool, keep_alive: bool) -> bytes:
    """Return the lines for the end of a body without length, and for the connection."""
    sized = sized or framing.empty
    if http_1_1:
        line = b"" if sized else b"Transfer-Encoding: chunked\r\n"
        return line if keep_alive else line + b"Connection: close\r\n"
    return b"Connection: keep-alive\r\n" if keep_alive and sized else b""


def upgrade_response_headers(headers: Sequence[tuple[bytes, bytes]], *, extra: bytes) -> bytes:
    """Return the header block of a ``101``, with the hop-by-hop lines that it needs."""
    lines = [b"HTTP/1.1 101 Switching Protocols\r\n"]
    lines += [
        b"%b: %b\r\n" % line
        for line in headers
        if line[0].lower() in _SWITCHING or _kind_of(line[0])[0] == _PASS
    ]
    return b"".join((*lines, extra, b"\r\n"))


def trailer_lines(trailers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return the trailers to forward: none for framing or routing, RFC 9110 §6.5.1."""
    return b"".join(
        b"%b: %b\r\n" % line
        for line in trailers
        if _kind_of(line[0])[0] in {_PASS, _OF_BYTES} and line[0].lower() != b"trailer"
    )


_PASS, _DROP, _LOCATION, _LENGTH, _ENCODING, _OF_BYTES = range(6)
_BODILESS = frozenset({204, 304})
"""Statuses of responses without a body and without a length, RFC 9110 §15."""

_SWITCHING = frozenset({b"connection", b"upgrade"})
_KINDS = {
    b"content-length": _LENGTH,
    b"content-location": _LOCATION,
    b"location": _LOCATION,
    b"transfer-encoding": _ENCODING,
}
_KINDS |= dict.fromkeys(_HOP_BY_HOP, _DROP) | dict.fromkeys(CHANGED_BY_REWRITING, _OF_BYTES)


def _kind_of(name: bytes) -> tuple[int, bytes]:
    """Return the treatment of a header with that name, and the start of its line."""
    lower = name.lower()
    return _DROP if acts_on_origin(lower) else _KINDS.get(lower, _PASS), name + b": "


_REMEMBERED_BYTES = 64
"""Longer names are not cached, so that responses cannot fill the cache."""

_kind = lru_cache(maxsize=512)(_kind_of)
"""The same, cached, for the few names that repeat."""


def on_refusal(user_agent: str, request_id: bytes) -> bytes:
    """Return the header lines for a cluster's refusal: a warning for kubectl, which prints it.

    The cluster's own message is relayed unread, and kubectl shows no other header.
    """
    if not user_agent.startswith("kubectl"):
        return b""
    return b'Warning: 299 - "`sekisho why %b` explains this refusal"\r\n' % request_id
