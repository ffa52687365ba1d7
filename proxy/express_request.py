"""A request in the express lane: its answer, and what happens when that ends."""

import asyncio
from functools import partial
from typing import Protocol

from management.resolver import Resolved
from proxy.access import Access
from proxy.asked import Asked
from proxy.exchange import Answer
from proxy.express_connection import ExpressConnection
from proxy.limits import Place
from proxy.opening import Opening
from proxy.pool import UpstreamPool
from proxy.status import Refusal
from proxy.upstream import UpstreamConnection, UpstreamError

CLIENT_GONE = 499
"""The code that is told of a request whose client went away before an answer had begun."""


class Lane(Protocol):
    """Where the request came from, and what it gives back to at its end."""

    loop: asyncio.AbstractEventLoop

    def began(self, request: "ExpressRequest", status: int) -> None:
        """The answer to a long-running request has begun."""

    def left(self, request: "ExpressRequest") -> None:
        """The request runs no more."""

    def failure(self, error: UpstreamError, access: Access) -> Refusal:
        """What the client is told of the cluster's failure."""

    def tell(self, request: "ExpressRequest") -> None:
        """Tell of a request that has ended."""


class ExpressRequest(Answer):
    """A request in the express lane. Also what :mod:`proxy.live` watches over.

    ``data`` is the request as it came, for as long as it may have to be sent again.
    """

    __slots__ = ("_data", "_gone", "_lane", "access", "asked", "place", "pool", "resolved",
                 "started", "upstream")  # fmt: skip

    def __init__(
        self,
        lane: Lane,
        connection: ExpressConnection,
        asked: Asked,
        opening: Opening,
        access: Access,
        place: Place,
        upstream: UpstreamConnection,
        data: bytes,
    ) -> None:
        transport, downstream, resolved = connection.transport, opening.downstream, opening.resolved
        assert transport is not None
        assert downstream is not None
        assert resolved is not None
        super().__init__(
            connection,
            transport,
            to_head=asked.method == "HEAD",
            http_1_1=True,
            keep_alive=opening.keep_alive,
            prefix=downstream.prefix,
            extra=b"X-Request-Id: %b\r\n" % access.request_id.encode("ascii"),
            pass_401=asked.proxied,
            on_head=partial(lane.began, self) if asked.info.long_running else None,
        )
        self._lane = lane
        self._data = data if asked.repeatable and not opening.length else b""
        self._gone = False
        self.access = access
        self.asked = asked
        self.place = place
        self.pool: UpstreamPool = downstream.pool
        self.resolved: Resolved = resolved
        self.started = lane.loop.time()
        self.upstream = upstream

    def send(self, message: bytes) -> None:
        """Send the whole request to the cluster."""
        self.upstream.send(self, message, repeatable=bool(self._data))
        if self.asked.patient:
            self.pool.request_sent_for_long(self.upstream)
        else:
            self.pool.request_sent(self.upstream)

    def began(self) -> None:
        """Its answer has begun, and may last for hours: it won't be sent again."""
        self._data = b""

    def end(self) -> None:
        """End it, for the right to it has ended: after a watch's last event, or where it is."""
        if self.asked.info.verb == "watch":
            self.end_watch()
        if not self.over:
            self._transport.abort()

    def client_gone(self) -> None:
        """The client went away: the cluster need not go on."""
        self._gone = True
        if not self.over:
            self.upstream.abort()

    def ended(self, error: Exception | None) -> None:
        """Tell of it, and let the connection go on; or answer for the cluster that failed."""
        access, connection = self.access, self._client
        assert isinstance(connection, ExpressConnection)
        self._lane.left(self)
        access.code, access.sent = self.status or access.code, self.sent
        if self._gone:
            access.code = access.code or CLIENT_GONE
            access.note = access.note or "the client went away"
        elif isinstance(error, UpstreamError):
            if self.pool.heed(error, self.upstream) and self._data:
                connection.start_over(self._data)
                return
            refusal = self._lane.failure(error, access)
            connection.refuse(refusal, access.request_id, keep_alive=self.keep_alive)
        elif self.truncated:
            access.note = access.note or "the cluster broke off its answer"
        self._lane.tell(self)
        if not self._gone:
            connection.express_ended(keep_alive=self.keep_alive)
