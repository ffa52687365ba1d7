"""Parsed header blocks, cached for the requests that repeat them.

A client sends the same header lines with every request; what differs is the request line. So
aiohttp's own parser reads a header block once, and later it is found again by comparing bytes: the
same bytes have the same meaning. A connection compares the bytes themselves. The cache that all
connections share compares their SHA-256, so that it stores no credential.
"""

import asyncio
import hashlib
from typing import Any

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser, HttpVersion11
from aiohttp.http_exceptions import HttpProcessingError

from management.http.authorization_header import InvalidAuthorization, bearer_from
from management.http.client_address import ClientAddresses
from proxy.auth.request_authorizer import PreparedHeaders
from proxy.request.context import LogFragments
from proxy.request.headers import InvalidHeaders, RequestHeaders, parse_headers
from proxy.request.request_line import RequestLine

MAX_INLINE_BODY = 64 * 1024
"""Largest body, in bytes, that may arrive together with the header block, as that of a lease."""

MAX_FRAGMENTS = 16
"""Request lines for which a header block caches parts of log lines."""

MAX_CACHED = 1024
"""Header blocks in the cache that all connections share."""

MAX_CACHED_BYTES = 4096
"""Longer header blocks are not cached, so that the cache takes a few megabytes at most."""


class CachedHeaders:
    """The header block of an ordinary request.

    ``digest`` is the SHA-256 of its bearer token, ``length`` the size of the body in bytes,
    ``remote`` the client's address. ``prepared`` is what the authorizer decided last.
    """

    __slots__ = (
        "digest",
        "headers",
        "keep_alive",
        "length",
        "log_fragments",
        "prepared",
        "remote",
        "user_agent",
    )

    def __init__(self, headers: RequestHeaders, digest: bytes, length: int, remote: str) -> None:
        self.headers = headers
        self.digest = digest
        self.length = length
        self.remote = remote
        self.keep_alive = True
        self.user_agent = ""
        self.prepared: PreparedHeaders | None = None
        self.log_fragments: dict[RequestLine, LogFragments] = {}

    def fragments_for(self, line: RequestLine) -> LogFragments:
        """Return the parts of log lines that requests with ``line`` by this caller share."""
        fragments = self.log_fragments.get(line)
        if fragments is None:
            if len(self.log_fragments) >= MAX_FRAGMENTS:
                self.log_fragments.clear()
            fragments = self.log_fragments[line] = LogFragments()
        return fragments


class HeaderCache:
    """Parses header blocks as aiohttp does; ``limits`` are the arguments of its parser.

    ``traces``: a trace context has a meaning for Sekisho, and not only for the cluster.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        addresses: ClientAddresses,
        *,
        traces: bool = False,
        **limits: Any,
    ) -> None:
        self._traces = traces
        self._protocol = BaseProtocol(loop)
        self._loop = loop
        self._addresses = addresses
        self._limits = limits
        self._cached: dict[tuple[bytes, str], CachedHeaders] = {}

    def read(self, lines: bytes, remote: str) -> CachedHeaders | None:
        """Parse ``lines``, up to the empty line. ``remote`` is the address of the connection.

        Returns None for a header block that is malformed or not ordinary: an upgrade, a chunked
        body, a cookie, impersonation, or a body that is large or waits for 100 Continue.
        """
        if len(lines) > MAX_CACHED_BYTES:
            return self._read(lines, remote)
        key = (hashlib.sha256(lines).digest(), remote)
        cached = self._cached.get(key)
        if cached is None:
            cached = self._read(lines, remote)
            # Lines with the client's own request id do not repeat.
            if cached is not None and cached.headers.request_id is None:
                if len(self._cached) >= MAX_CACHED:
                    del self._cached[next(iter(self._cached))]
                self._cached[key] = cached
        return cached

    def _read(self, lines: bytes, remote: str) -> CachedHeaders | None:
        parser = HttpRequestParser(self._protocol, self._loop, 2**16, **self._limits)
        try:
            messages: Any
            messages, upgraded, _ = parser.feed_data(b"GET / HTTP/1.1\r\n" + lines)
            if upgraded or len(messages) != 1:
                return None
            message: Any = messages[0][0]  # aiohttp's C parser does not return its Python type.
            headers = parse_headers(message.raw_headers)
            bearer = bearer_from(headers.authorization or b"")
        except (HttpProcessingError, InvalidHeaders, InvalidAuthorization):
            return None
        if headers.traced and self._traces:
            return None
        length = int(headers.length or 0)
        ordinary = _is_ordinary(headers) and not (message.upgrade or message.chunked)
        if not ordinary or length > MAX_INLINE_BODY or message.version != HttpVersion11:
            return None
        headers.authorization = None
        forwarded = message.headers.getall("X-Forwarded-For", ())
        address = self._addresses.of(remote, forwarded)
        cached = CachedHeaders(headers, hashlib.sha256(bearer).digest(), length, address)
        cached.keep_alive = not message.should_close
        cached.user_agent = message.headers.get("User-Agent", "")
        return cached


def _is_ordinary(headers: RequestHeaders) -> bool:
    return not (
        headers.chunked
        or headers.cookie is not None
        or headers.websocket_bearer is not None
        or headers.offered_upgrade is not None
        or headers.expects_continue
        or headers.impersonates
    )
