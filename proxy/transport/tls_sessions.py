"""Taking up a TLS session again at an API server that was met before (RFC 8446 §2.2).

Each exec, and each connection that the pool adds, begins with a handshake; one that resumes needs
no certificates to be sent and verified, which is half of its cost on both sides. A session is only
offered to the server that it was made with, under the same context (so the same CA and name), and
not for long: whoever's certificate has been taken back shall not be believed for a day.
"""

import asyncio
import ssl
import time
from collections.abc import Callable

BELIEVED_SECONDS = 3600.0
"""How long after a server's certificate was verified its session is still offered."""


class Resumption:
    """Stands in for ``context`` where a connection is made, and offers the last session.

    Event loops ask a context for nothing but :meth:`wrap_bio`.
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
        """As :meth:`ssl.SSLContext.wrap_bio`, with the session if there is one to be believed."""
        if self._clock() - self._verified_at > BELIEVED_SECONDS:
            self._session = None
        return self.context.wrap_bio(
            incoming, outgoing, server_side, server_hostname, session=self._session
        )

    def remember(self, transport: asyncio.BaseTransport) -> None:
        """Keep the session of a connection on which an answer has begun: its ticket has come."""
        connection = transport.get_extra_info("ssl_object")
        if connection is None or connection.session_reused:
            return  # What was offered may be offered again: reading a new one out isn't cheap.
        self._verified_at = self._clock()
        session = connection.session
        if session is not None and session.has_ticket:
            self._session = session
