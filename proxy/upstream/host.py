"""One API server of a cluster: address, request head, ejection state, TLS session."""

import asyncio
import random
import ssl
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

from proxy.transport.tls_sessions import ResumingTLSContext

EJECTION_SECONDS = (1.0, 30.0)
"""How long a host is ejected after its first failure, and at most. Each failure doubles it."""

_MAX_DOUBLINGS = 16


class UpstreamHost:
    """One API server. A path in its URL is the prefix of every request's path.

    ``clock`` returns event loop time. An ejected host gets requests only where no other is healthy.
    """

    def __init__(self, url: str, clock: Callable[[], float]) -> None:
        parts = urlsplit(url)
        self.url = url
        self.tls = parts.scheme == "https"
        self.name = parts.hostname or ""
        self.port = parts.port or (443 if self.tls else 80)
        authority = parts.netloc.rpartition("@")[2]
        self._before_target = f" {parts.path.rstrip('/')}".encode("ascii")
        self._after_target = f" HTTP/1.1\r\nHost: {authority}\r\n".encode("ascii")
        self._clock = clock
        self.failures = 0
        self.ejected_until = 0.0
        self._resumption: ResumingTLSContext | None = None

    def request_head(self, method: str, target: str, lines: bytes) -> bytes:
        """Return a request's head; ``lines`` are all header lines but Host, and the empty line."""
        return self.request_line_and_host(method.encode("ascii"), target.encode("ascii")) + lines

    def request_line_and_host(self, method: bytes, target: bytes) -> bytes:
        """Return the first two lines of a request to this host."""
        return method + self._before_target + target + self._after_target

    @property
    def healthy(self) -> bool:
        """Whether the host is not ejected now."""
        return self.ejected_until <= self._clock()

    def record_failure(self) -> None:
        """Eject the host for a while. Failures during an ejection do not prolong it."""
        now = self._clock()
        if self.ejected_until > now:
            return
        first, most = EJECTION_SECONDS
        pause = min(most, first * 2**self.failures) * random.uniform(0.8, 1.2)  # noqa: S311
        self.failures = min(self.failures + 1, _MAX_DOUBLINGS)
        self.ejected_until = now + pause

    def record_success(self) -> None:
        """End an ejection, and let the next one begin with the shortest time."""
        self.failures, self.ejected_until = 0, 0.0

    def tls_context(self, context: ssl.SSLContext) -> ssl.SSLContext:
        """Return ``context`` extended by the last TLS session with this host."""
        if self._resumption is None or self._resumption.context is not context:
            self._resumption = ResumingTLSContext(context)
        return cast(ssl.SSLContext, self._resumption)

    def remember_session(self, transport: asyncio.BaseTransport | None) -> None:
        """Keep the TLS session of a connection on which the first response has begun."""
        if self._resumption is not None and transport is not None:
            self._resumption.remember(transport)

    def forget_session(self) -> None:
        """Use a full handshake next time: the host may have been replaced."""
        self._resumption = None
