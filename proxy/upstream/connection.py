"""One connection to an API server: HTTP/1.1, one request at a time, responses relayed as read.

Bytes go from the transport through the parser to the relay. The owner keeps or closes connections.
"""

import asyncio
import math
import sys

from proxy.response.relay import CredentialRejected, ResponseRelay
from proxy.upstream.errors import (
    UpstreamDisconnected,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamUnauthorized,
)
from proxy.upstream.host import UpstreamHost
from proxy.upstream.response_parser import ResponseParser


class ConnectionOwner:
    """What a connection reports to. A base class, because mypyc calls protocols slower."""

    def connection_released(self, connection: "UpstreamConnection") -> None:
        """Take back a connection whose response is complete and that can carry another request."""
        raise NotImplementedError

    def connection_closed(self, connection: "UpstreamConnection") -> None:
        """Forget a connection that has ended."""
        raise NotImplementedError

    def response_truncated(self, connection: "UpstreamConnection") -> None:
        """Count a response that broke off after the client had received a part of it."""
        raise NotImplementedError


class UpstreamConnection:
    """A connection to ``host``: an asyncio protocol, but not derived from it (see setup.py).

    ``requests`` counts the requests sent. ``deadline`` (event loop time) is the time by which the
    response's head must have come; None while no head is awaited. ``response_started``: a byte of
    the current response has come. ``retryable``: the current request may be sent again.
    ``has_body``: the current request has a body. ``received_data``: bytes have come since the last
    health check. From ``expires_at`` on, or after ``max_requests``, it gets no further request.
    """

    __slots__ = ("_drained", "_head_received", "_header_timeout", "_loop", "_parser",
                 "_reading_paused", "_relay", "_request_complete", "_writing_paused", "deadline",
                 "expires_at", "has_body", "host", "idle_since", "max_requests", "owner",
                 "received_data", "requests", "response_started", "retryable",
                 "transport")  # fmt: skip

    def __init__(
        self, loop: asyncio.AbstractEventLoop, host: UpstreamHost, owner: ConnectionOwner
    ) -> None:
        self._loop = loop
        self.host = host
        self.owner = owner
        self.transport: asyncio.Transport | None = None
        self.requests = 0
        self.idle_since = 0.0
        self.expires_at = math.inf
        self.max_requests = sys.maxsize
        self.deadline: float | None = None
        self.response_started = self.retryable = self.has_body = False
        self.received_data = self._request_complete = True
        self._parser: ResponseParser | None = None
        self._relay: ResponseRelay | None = None
        self._header_timeout: float | None = None
        self._drained: asyncio.Future[None] | None = None
        self._head_received = self._writing_paused = self._reading_paused = False

    # The request

    def send_request(
        self,
        relay: ResponseRelay,
        message: bytes,
        *,
        header_timeout: float | None,
        retryable: bool = False,
        has_body: bool = False,
        complete: bool = True,
    ) -> None:
        """Send a request; its response goes to ``relay``.

        The response's head must come within ``header_timeout`` seconds of the request's end; None:
        at any time. ``complete=False``: the rest of the body follows by :meth:`write`, and
        :meth:`finish_request` ends it. ``retryable``: see ``ConnectionPool.report_failure``.
        """
        self.requests += 1
        self.response_started = self._head_received = self._request_complete = False
        self.retryable = retryable
        self.has_body = has_body
        self._header_timeout = header_timeout
        self._relay = relay
        relay.attach(self)
        if self._parser is None:
            # It was closed after it had been opened and before this task continued.
            self._relay = None
            relay.fail(UpstreamDisconnected("the API server closed the connection"))
            return
        self._parser.expect(head_request=message.startswith(b"HEAD "))
        self.write(message)
        if complete:
            self.finish_request()

    def write(self, data: bytes) -> None:
        """Send a piece of the request's body. After the connection's end, drop it."""
        if self.transport is not None:
            self.transport.write(data)

    def finish_request(self) -> None:
        """Note that the whole request was written, and start the header timeout."""
        self._request_complete = True
        timeout = self._header_timeout
        if timeout is not None and self._relay is not None and not self._head_received:
            self.deadline = self._loop.time() + timeout

    @property
    def write_paused(self) -> bool:
        """Whether the write buffer is full."""
        return self._writing_paused

    async def drain(self) -> None:
        """Wait until the write buffer has room, or the connection has ended."""
        if self._writing_paused and self.transport is not None:
            self._drained = self._loop.create_future()
            await self._drained

    # Flow control, called by the relay.

    def pause_reading(self) -> None:
        """Stop reading: the client's buffer is full."""
        if not self._reading_paused and self.transport is not None:
            self._reading_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Continue to read."""
        if self._reading_paused and self.transport is not None:
            self._reading_paused = False
            self.transport.resume_reading()

    # State and end

    @property
    def streaming(self) -> bool:
        """Whether a response has begun and is not complete."""
        return self._relay is not None and self._head_received

    @property
    def stale(self) -> bool:
        """Whether it was reused and no byte of the response came: it may have been closed."""
        return self.requests > 1 and not self.response_started

    @property
    def usable(self) -> bool:
        """Whether a new request may be sent on it."""
        transport = self.transport
        return transport is not None and self._relay is None and not transport.is_closing()

    def abort(self, error: UpstreamError | None = None) -> None:
        """Close the connection now; the current response fails with ``error``."""
        relay, self._relay = self._relay, None
        if self.transport is not None:
            self.transport.abort()
        if relay is not None:
            relay.fail(error or UpstreamDisconnected("the connection was closed"))
            if error is not None and relay.truncated:
                self.owner.response_truncated(self)

    def close(self) -> None:
        """Close a connection without a current request."""
        if self.transport is not None:
            self.transport.close()

    def end(self) -> None:
        """End the current response: a watch after its event, others now."""
        if self._relay is None or not self._relay.end_stream():
            self.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: the connection is open, TLS included."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment]  # uvloop's is not a subclass
        self._parser = ResponseParser()

    def pause_writing(self) -> None:
        """Note that the write buffer is full."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """Note that the write buffer has room."""
        self._writing_paused = False
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Parse one read and relay it."""
        relay, parser = self._relay, self._parser
        if relay is None or parser is None:
            # No request is pending: the next one must not take this for its response.
            self.abort()
            return
        self.response_started = self.received_data = True
        try:
            parser.feed(data)
            if parser.head_complete and not self._head_received:
                self._receive_head(relay, parser)
        except Exception as exc:  # The relay parses what is in the head, too.
            self.abort(_upstream_error(exc))
            return
        if parser.switched is not None:
            self._switch(relay, parser, parser.switched)
        elif self._head_received:
            self._forward(relay, parser)

    def eof_received(self) -> None:
        """End a body without a length: the API server sends nothing more."""
        relay, parser = self._relay, self._parser
        if relay is None or parser is None or relay.framing is None or not self._head_received:
            return
        if not relay.framing.chunked and relay.framing.length is None:
            parser.finish()
            self._forward(relay, parser)

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the connection's end."""
        self.transport = None
        self._close_parser()
        self.resume_writing()
        self.owner.connection_closed(self)
        relay, self._relay = self._relay, None
        if relay is not None:
            relay.fail(UpstreamDisconnected("the API server closed the connection"))
            if relay.truncated:
                self.owner.response_truncated(self)

    # The response

    def _receive_head(self, relay: ResponseRelay, parser: ResponseParser) -> None:
        self._head_received = True
        self.deadline = None
        if self.requests == 1:
            self.host.remember_session(self.transport)
        relay.head(parser.status, parser.reason, parser.headers)
        parser.headers = []  # Watches last for hours and do not need them.
        framing = relay.framing
        if framing is not None and framing.length is not None and not parser.complete:
            parser.expect_body(int(framing.length) - sum(map(len, parser.body)))

    def _forward(self, relay: ResponseRelay, parser: ResponseParser) -> None:
        complete = parser.complete
        relay.forward(parser.take_body(), complete=complete, trailers=parser.trailers)
        if complete and self._relay is relay:  # It may have ended the response itself.
            self._end(relay, parser)

    def _end(self, relay: ResponseRelay, parser: ResponseParser) -> None:
        """Release or close the connection, then finish the relay: the response is complete."""
        reusable = self._request_complete and parser.keep_alive
        if relay.wants_upgrade or relay.held:
            reusable = False  # The relay's user closes the connection: no other may use it.
        self._relay = None
        self.deadline = None
        parser.reset()
        self.resume_reading()
        if reusable:
            self.owner.connection_released(self)
        elif self.transport is not None:
            self.transport.close()
        relay.finish()

    def _switch(self, relay: ResponseRelay, parser: ResponseParser, tail: bytes) -> None:
        if not relay.wants_upgrade:
            self.abort(UpstreamProtocolError("it switched protocols without a request to do so"))
            return
        self._relay = None
        self.deadline = None
        self._close_parser()  # The tunnel gets the transport, and with it connection_lost.
        self.resume_reading()
        self.host.remember_session(self.transport)
        relay.switch(parser.headers, tail)

    def _close_parser(self) -> None:
        if self._parser is not None:
            self._parser.close()
            self._parser = None


def _upstream_error(exc: Exception) -> UpstreamError:
    """Return the error for a response that could not be parsed or was rejected."""
    if isinstance(exc, CredentialRejected):
        return UpstreamUnauthorized("the API server doesn't accept Sekisho's credential")
    if isinstance(exc, UpstreamError):
        return exc
    return UpstreamProtocolError("the API server's response is not valid HTTP")
