"""Parse a request's header lines: what the proxy uses, and what it forwards. Pure."""

import base64
import binascii
from collections.abc import Callable
from functools import lru_cache

from impersonation.header_filter import (
    RawHeaders,
    connection_options,
    is_forwardable,
    looks_like_impersonation,
)

_WEBSOCKET_BEARER = b"base64url.bearer.authorization.k8s.io."
_UPGRADES = frozenset({b"websocket", b"spdy/3.1"})
_ORDINARY_OPTIONS = frozenset({b"keep-alive", b"close", b"upgrade"})

MAX_LINES = 1024
"""More header lines than any client sends. aiohttp's own limit applies first."""

MAX_OPTIONS = 128
"""More ``Connection`` options than a request has header lines that they could name."""

MAX_COOKIE_BYTES = 16 * 1024
"""Much more than Sekisho's own cookie. Parsing a KiB of cookies takes one or two ms."""


class InvalidHeaders(Exception):
    """The header lines are ambiguous. The message is safe to send to the client."""


class RequestHeaders:
    """The parsed header lines of a request. :func:`parse_headers` builds it; it does not change.

    ``forwarded`` are the lines for the cluster. ``authorization``, ``cookie`` and
    ``websocket_bearer`` may carry a credential. ``offered_upgrade`` is the offered protocol, as the
    client spelled it, if Kubernetes supports it; ``upgrade`` the same if ``Connection`` requests
    the switch as well. ``length`` is the Content-Length. ``traced``: among ``forwarded`` is a trace
    context.
    """

    __slots__ = (
        "authorization",
        "chunked",
        "connection",
        "cookie",
        "csrf_token",
        "expects_continue",
        "forwarded",
        "impersonates",
        "length",
        "offered_upgrade",
        "origin",
        "request_id",
        "traced",
        "upgrade",
        "websocket_bearer",
    )

    def __init__(self) -> None:
        self.forwarded: list[tuple[bytes, bytes]] = []
        self.connection: frozenset[bytes] = frozenset()
        self.authorization: bytes | None = None
        self.cookie: bytes | None = None
        self.websocket_bearer: bytes | None = None
        self.offered_upgrade: bytes | None = None
        self.length: bytes | None = None
        self.request_id: bytes | None = None
        self.csrf_token: bytes | None = None
        self.origin: bytes | None = None
        self.chunked = False
        self.expects_continue = False
        self.impersonates = False
        self.traced = False
        self.upgrade: bytes | None = None


def parse_headers(headers: RawHeaders) -> RequestHeaders:
    """Parse header lines into those that the proxy uses and those that it forwards.

    Raises:
        InvalidHeaders: a line that the proxy uses occurs twice or is malformed.

    """
    head = RequestHeaders()
    passed = head.forwarded
    for line in headers:
        name = line[0]
        handler = _reader(name) if len(name) <= _REMEMBERED_BYTES else _reader_of(name)
        if handler is None:
            passed.append(line)
        else:
            handler(head, name, line[1])
    if b"upgrade" in head.connection:
        head.upgrade = head.offered_upgrade
    if not head.connection <= _ORDINARY_OPTIONS:
        named = head.connection
        head.forwarded = [line for line in passed if line[0].lower() not in named]
    return head


_Reader = Callable[[RequestHeaders, bytes, bytes], None]


def _drop(head: RequestHeaders, name: bytes, value: bytes) -> None:
    """Drop a line that neither the proxy nor the cluster uses."""


def _impersonation(head: RequestHeaders, name: bytes, value: bytes) -> None:
    head.impersonates = True


def _connection(head: RequestHeaders, name: bytes, value: bytes) -> None:
    head.connection |= connection_options(value)
    if len(head.connection) > MAX_OPTIONS:
        raise InvalidHeaders(f"the Connection header has more than {MAX_OPTIONS} options")


def _transfer_encoding(head: RequestHeaders, name: bytes, value: bytes) -> None:
    if head.chunked or value.strip().lower() != b"chunked":
        raise InvalidHeaders("only one Transfer-Encoding, chunked, is understood")
    head.chunked = True


def _expect(head: RequestHeaders, name: bytes, value: bytes) -> None:
    head.expects_continue = value.strip().lower() == b"100-continue"


def _upgrade(head: RequestHeaders, name: bytes, value: bytes) -> None:
    if value.strip().lower() in _UPGRADES:
        head.offered_upgrade = value.strip()


def _cookie(head: RequestHeaders, name: bytes, value: bytes) -> None:
    head.cookie = value if head.cookie is None else head.cookie + b"; " + value
    if len(head.cookie) > MAX_COOKIE_BYTES:
        raise InvalidHeaders(f"the request's cookies are over {MAX_COOKIE_BYTES} bytes")


def _websocket_protocol(head: RequestHeaders, name: bytes, value: bytes) -> None:
    """Take a bearer token out of the offered subprotocols, and forward the others.

    See ``k8s.io/apiserver/pkg/authentication/request/websocket``: browsers can't set headers on a
    WebSocket, so Kubernetes takes the token from there.
    """
    others = []
    for protocol in (one.strip() for one in value.split(b",")):
        if not protocol.startswith(_WEBSOCKET_BEARER):
            others.append(protocol)
            continue
        if head.websocket_bearer is not None:
            raise InvalidHeaders("the bearer subprotocol is there twice")
        head.websocket_bearer = _decoded(protocol[len(_WEBSOCKET_BEARER) :])
    if head.websocket_bearer is not None and not others:
        raise InvalidHeaders(
            "a WebSocket with a bearer subprotocol must offer another subprotocol, too"
        )
    if others:
        head.forwarded.append((name, b", ".join(others)))


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise InvalidHeaders("the bearer subprotocol is not base64url") from None


def _once(slot: str) -> _Reader:
    """Return a reader of a line that may occur once."""

    def read(head: RequestHeaders, name: bytes, value: bytes) -> None:
        if getattr(head, slot) is not None:
            raise InvalidHeaders(f"the header {name.decode('latin-1')} is there twice")
        setattr(head, slot, value.strip(b" \t"))

    return read


def _origin(head: RequestHeaders, name: bytes, value: bytes) -> None:
    head.origin = value
    head.forwarded.append((name, value))


def _trace_context(head: RequestHeaders, name: bytes, value: bytes) -> None:
    head.traced = True
    head.forwarded.append((name, value))


_READERS: dict[bytes, _Reader] = {
    b"authorization": _once("authorization"),
    b"connection": _connection,
    b"content-length": _once("length"),
    b"cookie": _cookie,
    b"expect": _expect,
    b"origin": _origin,
    b"sec-websocket-protocol": _websocket_protocol,
    b"traceparent": _trace_context,
    b"tracestate": _trace_context,
    b"transfer-encoding": _transfer_encoding,
    b"upgrade": _upgrade,
    b"x-csrf-token": _once("csrf_token"),
    b"x-request-id": _once("request_id"),
}


def _reader_of(name: bytes) -> _Reader | None:
    """Return the reader of a header with that name; None to forward it."""
    reader = _READERS.get(name.lower())
    if reader is not None:
        return reader
    if looks_like_impersonation(name):
        return _impersonation
    return None if is_forwardable(name) else _drop


_REMEMBERED_BYTES = 64
"""Longer names are not cached, so that clients cannot fill the cache."""

_reader = lru_cache(maxsize=1024)(_reader_of)
"""The same, cached, for the few names that clients repeat."""
