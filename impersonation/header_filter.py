"""Which of a request's headers go on to the cluster: everything but what we write ourselves.

Kubernetes has no list of the headers that it or the services behind its ``proxy`` subresource
read, so what goes on is what isn't refused here. Refused are whole families, by prefix, and names
are compared the way the most careless server on the way might compare them: without regard to
case, with ``_`` taken for ``-`` (CVE-2015-0219, CVE-2025-64484).
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

RawHeaders = Sequence[tuple[bytes, bytes]]
"""Header lines as they came: name and value, in order, duplicates kept."""

_REFUSED_PREFIXES = (
    b"impersonate",
    b"x-remote-",
    b"x-forwarded-",
    b"x-original-",
    b"x-rewrite-",
    b"x-sekisho-",
    b"proxy-",
)

_REFUSED_NAMES = frozenset(
    {
        # Written anew for the upstream connection.
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"authorization",
        b"expect",
        # Hop by hop, RFC 9110 §7.6.1 and RFC 2616 §13.5.1.
        b"connection",
        b"keep-alive",
        b"te",
        b"trailer",
        b"upgrade",
        b"http2-settings",
        # Ours, or about the way here: nothing a cluster should see or believe.
        b"cookie",
        b"forwarded",
        b"via",
        b"x-real-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"true-client-ip",
        b"x-csrf-token",
        b"x-request-id",
        b"x-http-method-override",
        b"x-http-method",
        b"x-method-override",
        # Becomes HTTP_PROXY in the environment of a CGI program (CVE-2016-5385).
        b"proxy",
    }
)


def goes_on(name: bytes) -> bool:
    """Whether a header of that name (any case) goes on to the cluster."""
    plain = name.lower().replace(b"_", b"-")
    if b"_" in name and not goes_on(plain):
        return False
    return plain not in _REFUSED_NAMES and not plain.startswith(_REFUSED_PREFIXES)


def connection_options(value: bytes) -> frozenset[bytes]:
    """The lower-case options of a ``Connection`` value, RFC 9110 §7.6.1."""
    return _options_before(value) if len(value) <= _REMEMBERED_BYTES else _options(value)


def _options(value: bytes) -> frozenset[bytes]:
    return frozenset(option.strip().lower() for option in value.split(b",") if option.strip())


_REMEMBERED_BYTES = 64
"""Longer values are read each time: nobody shall fill the memory with them."""

_options_before = lru_cache(maxsize=64)(_options)
"""The same, for the few values that clients send again and again."""


def named_by_connection(headers: RawHeaders) -> frozenset[bytes]:
    """The lower-case names that any ``Connection`` line declares hop-by-hop."""
    named: frozenset[bytes] = frozenset()
    for name, value in headers:
        if len(name) == 10 and name.lower() == b"connection":
            named |= connection_options(value)
    return named


def passed_on(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    """The header lines that go on to the cluster, as they came and in order."""
    named = named_by_connection(headers)
    if named <= _ORDINARY_OPTIONS:
        return [line for line in headers if goes_on(line[0])]
    return [line for line in headers if goes_on(line[0]) and line[0].lower() not in named]


_ORDINARY_OPTIONS = frozenset({b"keep-alive", b"close", b"upgrade"})


def has_impersonation(names: Iterable[bytes]) -> bool:
    """Whether any header of the request is of the ``Impersonate-*`` family, however it is spelt."""
    return any(looks_like_impersonation(name) for name in names)


def looks_like_impersonation(name: bytes) -> bool:
    """Whether a careless server might take ``name`` for an impersonation header."""
    return name.lower().replace(b"_", b"-").startswith(b"impersonate")
