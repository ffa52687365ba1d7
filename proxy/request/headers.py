"""Reading a request's header lines once: what the gate needs of them, and what goes on. Pure."""

import base64
import binascii
from collections.abc import Callable
from functools import lru_cache

from impersonation.inbound import RawHeaders, connection_options, goes_on, looks_like_impersonation

_WEBSOCKET_BEARER = b"base64url.bearer.authorization.k8s.io."
_UPGRADES = frozenset({b"websocket", b"spdy/3.1"})
_ORDINARY_OPTIONS = frozenset({b"keep-alive", b"close", b"upgrade"})

MAX_LINES = 1024
"""More header lines than any client sends; aiohttp's own limit on the number comes first."""


class BadHead(Exception):
    """The header lines can be read in more than one way. The message is fit for the client."""


class InboundHead:
    """What a request's header lines say. Built by :func:`read_head`, not changed afterwards.

    ``passed`` are the lines that go on to the cluster. ``authorization``, ``cookie`` and
    ``websocket_bearer`` are where a credential may be; ``upgrade`` is the protocol asked for, if it
    is one that Kubernetes speaks (as the client spelt it). ``length`` is a Content-Length.
    """

    __slots__ = (
        "authorization",
        "chunked",
        "connection",
        "cookie",
        "csrf_token",
        "expects_continue",
        "impersonates",
        "length",
        "offered_upgrade",
        "origin",
        "passed",
        "request_id",
        "websocket_bearer",
    )

    def __init__(self) -> None:
        self.passed: list[tuple[bytes, bytes]] = []
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

    @property
    def upgrade(self) -> bytes | None:
        """The protocol to switch to, where ``Connection`` asks for a switch as well."""
        return self.offered_upgrade if b"upgrade" in self.connection else None


def read_head(headers: RawHeaders) -> InboundHead:
    """Sort header lines into what the gate consumes and what goes on.

    Raises BadHead where a line that decides something is there twice or can't be read.
    """
    head = InboundHead()
    passed = head.passed
    for line in headers:
        name = line[0]
        handler = _reader(name) if len(name) <= _REMEMBERED_BYTES else _reader_of(name)
        if handler is None:
            passed.append(line)
        else:
            handler(head, name, line[1])
    if not head.connection <= _ORDINARY_OPTIONS:
        named = head.connection
        head.passed = [line for line in passed if line[0].lower() not in named]
    return head


_Reader = Callable[[InboundHead, bytes, bytes], None]


def _drop(head: InboundHead, name: bytes, value: bytes) -> None:
    """Neither ours to read nor the cluster's."""


def _impersonation(head: InboundHead, name: bytes, value: bytes) -> None:
    head.impersonates = True


def _connection(head: InboundHead, name: bytes, value: bytes) -> None:
    head.connection |= connection_options(value)


def _transfer_encoding(head: InboundHead, name: bytes, value: bytes) -> None:
    if head.chunked or value.strip().lower() != b"chunked":
        raise BadHead("only one Transfer-Encoding, chunked, is understood")
    head.chunked = True


def _expect(head: InboundHead, name: bytes, value: bytes) -> None:
    head.expects_continue = value.strip().lower() == b"100-continue"


def _upgrade(head: InboundHead, name: bytes, value: bytes) -> None:
    if value.strip().lower() in _UPGRADES:
        head.offered_upgrade = value.strip()


def _cookie(head: InboundHead, name: bytes, value: bytes) -> None:
    head.cookie = value if head.cookie is None else head.cookie + b"; " + value


def _websocket_protocol(head: InboundHead, name: bytes, value: bytes) -> None:
    """Take a bearer out of the offered subprotocols; the others go on.

    See ``k8s.io/apiserver/pkg/authentication/request/websocket``: browsers can't set headers on a
    WebSocket, so Kubernetes takes the token from there.
    """
    others = []
    for protocol in (one.strip() for one in value.split(b",")):
        if not protocol.startswith(_WEBSOCKET_BEARER):
            others.append(protocol)
            continue
        if head.websocket_bearer is not None:
            raise BadHead("the bearer subprotocol is there twice")
        head.websocket_bearer = _decoded(protocol[len(_WEBSOCKET_BEARER) :])
    if head.websocket_bearer is not None and not others:
        raise BadHead("a WebSocket with a bearer subprotocol must offer another subprotocol, too")
    if others:
        head.passed.append((name, b", ".join(others)))


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise BadHead("the bearer subprotocol is not base64url") from None


def _once(slot: str) -> _Reader:
    """A reader of a line that may be there once; where it is, decides something."""

    def read(head: InboundHead, name: bytes, value: bytes) -> None:
        if getattr(head, slot) is not None:
            raise BadHead(f"the header {name.decode('latin-1')} is there twice")
        setattr(head, slot, value.strip(b" \t"))

    return read


def _origin(head: InboundHead, name: bytes, value: bytes) -> None:
    head.origin = value
    head.passed.append((name, value))


_READERS: dict[bytes, _Reader] = {
    b"authorization": _once("authorization"),
    b"connection": _connection,
    b"content-length": _once("length"),
    b"cookie": _cookie,
    b"expect": _expect,
    b"origin": _origin,
    b"sec-websocket-protocol": _websocket_protocol,
    b"transfer-encoding": _transfer_encoding,
    b"upgrade": _upgrade,
    b"x-csrf-token": _once("csrf_token"),
    b"x-request-id": _once("request_id"),
}


def _reader_of(name: bytes) -> _Reader | None:
    """What to do with a header of that name; None: pass it on."""
    reader = _READERS.get(name.lower())
    if reader is not None:
        return reader
    if looks_like_impersonation(name):
        return _impersonation
    return None if goes_on(name) else _drop


_REMEMBERED_BYTES = 64
"""Longer names are looked at each time: nobody shall fill the memory with them."""

_reader = lru_cache(maxsize=1024)(_reader_of)
"""The same, for the few names that clients send again and again."""
