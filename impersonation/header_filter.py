"""Decide which client headers are forwarded to the cluster. Pure.

Kubernetes has no list of the headers that it reads, or that the services behind its ``proxy``
subresource read. A header is therefore forwarded unless it is rejected here. Whole families are
rejected by prefix. Names are compared as the most careless server in between might compare them:
without regard to case, and with ``_`` equal to ``-`` (CVE-2015-0219, CVE-2025-64484).
"""

from collections.abc import Sequence
from functools import lru_cache

RawHeaders = Sequence[tuple[bytes, bytes]]
"""Header lines as received: name and value, in order, with duplicates."""

_REJECTED_PREFIXES = (
    b"impersonate",
    b"x-remote-",
    b"x-forwarded-",
    b"x-original-",
    b"x-rewrite-",
    b"x-sekisho-",
    b"proxy-",
)

_REJECTED_NAMES = frozenset(
    {
        # Sekisho writes these for the upstream connection.
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"authorization",
        b"expect",
        # Hop-by-hop headers, RFC 9110 §7.6.1 and RFC 2616 §13.5.1.
        b"connection",
        b"keep-alive",
        b"te",
        b"trailer",
        b"upgrade",
        b"http2-settings",
        # Sekisho's, or about the path to the proxy: a cluster must neither see nor trust them.
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


def is_forwardable(name: bytes) -> bool:
    """Return whether a header with that name (any case) is forwarded to the cluster."""
    normalized = name.lower().replace(b"_", b"-")
    if b"_" in name and not is_forwardable(normalized):
        return False
    return normalized not in _REJECTED_NAMES and not normalized.startswith(_REJECTED_PREFIXES)


def connection_options(value: bytes) -> frozenset[bytes]:
    """Return the lower-case options of a ``Connection`` value, RFC 9110 §7.6.1."""
    return _cached_options(value) if len(value) <= _MAX_CACHED_BYTES else _options(value)


def _options(value: bytes) -> frozenset[bytes]:
    return frozenset(option.strip().lower() for option in value.split(b",") if option.strip())


_MAX_CACHED_BYTES = 64
"""Longer values are not cached, so that clients cannot fill the memory."""

_cached_options = lru_cache(maxsize=64)(_options)
"""Clients send the same few values repeatedly."""


def looks_like_impersonation(name: bytes) -> bool:
    """Return whether a careless server might read ``name`` as an impersonation header."""
    return name.lower().replace(b"_", b"-").startswith(b"impersonate")
