"""A client connection: aiohttp's connection handler, with its flow control made usable.

aiohttp reads requests. Responses of a cluster are written to the client's transport by
:class:`~proxy.response.relay.ResponseRelay`, which needs two events that aiohttp keeps to itself:
the transport's buffer is full, and the client has closed its half.
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from proxy.client.aiohttp_internals import AiohttpConnection
from proxy.limits.connections import ConnectionPermit
from proxy.limits.unfinished_heads import HeadBudget, TooManyHeads

MAX_HEAD_BYTES = 1024**2
"""Largest header block, in bytes, unless the server has another limit."""


class FlowControlled(Protocol):
    """The source of the bytes in a connection's buffer."""

    def pause(self) -> None:
        """Stop reading from the other side for now."""

    def resume(self) -> None:
        """Continue to read from the other side."""


class UpgradedSession(Protocol):
    """An upgraded session, as its connection uses it."""

    def abort(self, note: str) -> None:
        """Break off the session. ``note`` gives the reason."""


class ClientConnection(AiohttpConnection):
    """One client connection.

    ``flow_source`` fills its buffer at the moment. ``on_half_close`` is called when the client
    closes its half; True keeps the other half open. ``session`` is the upgraded session on the
    connection. ``broken`` is None while the connection is open; then, whether it ended by an error.
    ``permit`` counts it among the connections, and ``known`` is whether a request on it had a valid
    credential. ``origin`` is empty for a client's connection. For a connection of this process
    itself, it is the address of the client on whose behalf its requests are sent. ``announced`` is
    the address of the client, if load balancers announce it before TLS. ``sampled``: it was drawn
    already that the next request is traced.
    """

    __slots__ = (
        "_anonymous_seconds",
        "_head_bytes",
        "_heads",
        "_idle_seconds",
        "_malformed",
        "_max_head",
        "announced",
        "broken",
        "flow_source",
        "known",
        "on_half_close",
        "origin",
        "permit",
        "sampled",
        "session",
    )

    def __init__(
        self,
        server: web.Server,
        *,
        malformed: "MalformedHandler | None" = None,
        max_head: int = MAX_HEAD_BYTES,
        heads: HeadBudget,
        anonymous_seconds: float = math.inf,
        **options: Any,
    ) -> None:
        super().__init__(server, **options)
        self._init_state(malformed, max_head, heads, self.keepalive_timeout, anonymous_seconds)

    def _init_state(
        self,
        malformed: "MalformedHandler | None",
        max_head: int,
        heads: HeadBudget,
        idle_seconds: float,
        anonymous_seconds: float,
    ) -> None:
        """Set what this class adds to aiohttp's."""
        self._malformed = malformed
        self._max_head = max_head
        self._heads = heads
        self._head_bytes = 0
        self._idle_seconds = idle_seconds
        self._anonymous_seconds = min(anonymous_seconds, idle_seconds)
        self.known = False
        self.origin = self.announced = ""
        self.sampled = False
        self.permit: ConnectionPermit | None = None
        self.flow_source: FlowControlled | None = None
        self.on_half_close: Callable[[], bool] | None = None
        self.session: UpgradedSession | None = None
        self.broken: bool | None = None

    @property
    def peername(self) -> str | tuple[str, int, int, int] | tuple[str, int] | None:
        """The address at the other end, which aiohttp's ``Request.remote`` is."""
        return self.announced or super().peername

    def become_known(self) -> None:
        """Count the connection as that of an authenticated caller."""
        self.known = True
        if self.permit is not None:
            self.permit.become_known()

    def close_if_idle(self, now: float) -> None:
        """Close the connection if it has waited too long for a request at ``now``.

        ``now`` is in seconds of the loop. A connection without an authenticated caller has less
        time, except that of a load balancer, which carries the requests of all clients.
        """
        known = self.known or (self.permit is not None and self.permit.known)
        seconds_less = 0.0 if known else self._idle_seconds - self._anonymous_seconds
        if self._is_waiting() and now >= self.idle_deadline - seconds_less:
            self.force_close()

    def _is_waiting(self) -> bool:
        """Return whether the connection waits for a request, or the rest of a header block."""
        return self.awaits_request

    def pause_writing(self) -> None:
        """Handle the transport's event that its buffer is over the high-water mark."""
        super().pause_writing()
        if self.flow_source is not None:
            self.flow_source.pause()

    def resume_writing(self) -> None:
        """Handle the transport's event that its buffer has drained."""
        super().resume_writing()
        if self.flow_source is not None:
            self.flow_source.resume()

    def eof_received(self) -> bool | None:  # type: ignore[override]  # asyncio's own signature
        """Handle the transport's event that the client will send nothing more."""
        return self.on_half_close() if self.on_half_close is not None else None

    def connection_lost(self, exc: BaseException | None) -> None:
        """Handle the transport's event that the connection has ended."""
        self.broken = exc is not None
        if self.permit is not None:
            self.permit.release()
        self._head_is_over()
        super().connection_lost(exc)

    def detach(self) -> tuple[asyncio.Transport, ConnectionPermit | None]:
        """Give away the transport and the permit: the connection is no longer HTTP.

        For this object, and for aiohttp, the connection has ended: the running handler is
        cancelled at its next ``await``, and a stopping server does not wait for it.
        """
        self.resume_transport()
        transport, permit = self.transport, self.permit
        assert transport is not None
        self.transport = self.permit = None  # so that neither is ended
        self.connection_lost(None)
        return transport, permit

    def force_close(self) -> None:
        """Close the connection. A session on it is broken off, so that it does not look ended."""
        if self.session is not None and self.broken is None:
            self.session.abort("Sekisho stopped")
        super().force_close()

    def data_received(self, data: bytes) -> None:
        """Handle bytes from the client, and two cases that aiohttp does not handle.

        A body that becomes malformed ends for its reader: aiohttp queues the error behind the
        request that it belongs to, which would wait forever for the rest of its body. And a header
        block has a size limit as a whole, not only for each line.
        """
        if self.is_lost:
            return
        super().data_received(data)
        request = self.current_request
        if request is None:
            if self.has_queued_requests:
                self._head_is_over()
            elif (error := self._overflow(self._head_bytes + len(data))) is not None:
                self._refuse_head(error)
        elif (
            self.queue_ends_in_error()
            and not request.content.is_eof()  # Otherwise the next request is malformed.
        ):
            request.content.set_exception(web.RequestPayloadError("the body is not valid HTTP"))

    def fail_body(self, content: StreamReader, error: Exception) -> None:
        """End the wait for a request's body, and close the connection after the response.

        After the response only aiohttp reads the body, to discard it: it would treat ``error`` as a
        failure of the server.
        """
        if self.current_request is None:
            self.force_close()
            return
        self.stop_lingering()
        content.set_exception(error)

    def _overflow(self, size: int) -> HttpProcessingError | None:
        """Count ``size`` bytes of an incomplete header block. Return an error if over a limit."""
        if size > self._max_head:
            return LineTooLong(b"", self._max_head)
        if not self._heads.take(self._head_bytes, size):
            return TooManyHeads()
        self._head_bytes = size
        return None

    def _head_is_over(self) -> None:
        """Count no more bytes of an incomplete header block."""
        if self._head_bytes:
            self._heads.give_back(self._head_bytes)
            self._head_bytes = 0

    def _refuse_head(self, error: HttpProcessingError) -> None:
        """Respond with ``error``, and read no more."""
        self._head_is_over()
        self.queue_error(error)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Respond to bytes that are not valid HTTP, without repeating or logging any of them.

        aiohttp would log the line that it could not parse, including credentials.
        """
        if self._malformed is None or not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        response = self._malformed(request, exc)
        response.force_close()
        return response


MalformedHandler = Callable[[web.BaseRequest, HttpProcessingError], web.Response]
"""Responds to a request whose header block or body is not valid HTTP."""


class _Relayed(web.StreamResponse):
    """A response that has been written already, as aiohttp wants one from its handler."""

    def __init__(self, *, keep_alive: bool) -> None:
        super().__init__()
        self._reusable = keep_alive

    @property
    def keep_alive(self) -> bool:
        """Whether the client connection may carry another request."""
        return self._reusable

    async def prepare(self, request: web.BaseRequest) -> None:
        """Do nothing: the header block has been written."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: the body has been written."""


RELAYED: Mapping[bool, web.StreamResponse] = {
    one: _Relayed(keep_alive=one) for one in (True, False)
}
"""What a handler returns after relaying a response, by whether the client connection stays open.
Stateless, so two serve for all requests."""
