"""Resume TLS sessions with API servers (RFC 8446 §2.2).

Each exec, and each new connection of the pool, begins with a handshake. A resumed one sends and
verifies no certificates, which is half of its cost on both sides. A session is only offered to the
server that issued it, under the same context (the same CA and name), and for a limited time, so
that a server with a revoked certificate is not trusted for a day.
"""

import asyncio
import ssl
import time
from collections.abc import Callable

RESUMPTION_SECONDS = 3600.0
"""How long a session is offered after the server's certificate was verified."""


class ResumingTLSContext:
    """A substitute for ``context`` in new connections, which offers the last session.

    Event loops use only :meth:`wrap_bio` of a context.
    """

    def __init__(
        self, context: ssl.SSLContext, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.context = context
        self._clock = clock
        self._session: ssl.SSLSession | None = None
        self._verified_at = 0.0

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | None = None,
    ) -> ssl.SSLObject:
        """Wrap like :meth:`ssl.SSLContext.wrap_bio`, with the session if it has not expired."""
        if self._clock() - self._verified_at > RESUMPTION_SECONDS:
            self._session = None
        return self.context.wrap_bio(
            incoming, outgoing, server_side, server_hostname, session=self._session
        )

    def remember(self, transport: asyncio.BaseTransport) -> None:
        """Keep the session of a connection on which a response has begun: its ticket has come."""
        connection = transport.get_extra_info("ssl_object")
        if connection is None or connection.session_reused:
            return  # The offered session can be offered again; reading a new one is expensive.
        self._verified_at = self._clock()
        session = connection.session
        if session is not None and session.has_ticket:
            self._session = session
