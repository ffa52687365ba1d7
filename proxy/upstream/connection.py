"""One connection to an API server: HTTP/1.1, one request at a time, answers streamed on.

llhttp (through httptools) finds the edges of head, chunks and message; the bytes between them are
passed on as they came. Connections are made, kept and thrown away by :mod:`proxy.pool`.
"""

import asyncio
from typing import TYPE_CHECKING

import httptools

from proxy.exchange import Answer, RejectedCredential

if TYPE_CHECKING:
    from proxy.pool import Master

MAX_HEAD_BYTES = 256 * 1024
"""The most that an answer's head may take; an API server's takes under 2 KB."""


class UpstreamError(Exception):
    """An API server failed us. The message is fit for the client: no addresses, no internals."""


class UpstreamGone(UpstreamError):
    """The connection ended before the answer did."""


class UpstreamGarbled(UpstreamError):
    """The answer isn't HTTP."""


class UpstreamSlow(UpstreamError):
    """The answer didn't begin in time."""


class UpstreamRejected(UpstreamError):
    """The API server doesn't take the service account's token (any more)."""


class RequestBroken(UpstreamError):
    """The request's body is malformed, or was broken off: the client's fault as well."""


class RequestTooLarge(UpstreamError):
    """The request's body is larger than may be sent: the client's fault, found on the way."""


class UpstreamConnection:
    """A connection to ``master``: an asyncio protocol, though not by descent (see setup.py).

    ``served`` counts the requests it has carried; ``deadline`` (event loop time) is when the
    answer's head must be there, or None where nothing is awaited. ``answered`` is whether any byte
    of the present answer has come; ``repeatable`` whether the present request may be sent again;
    ``heard`` whether anything has come since the pool last looked.
    """

    __slots__ = (
        "_body",
        "_complete",
        "_drained",
        "_exchange",
        "_head_done",
        "_head_size",
        "_headers",
        "_interim",
        "_keep_alive",
        "_left",
        "_loop",
        "_parser",
        "_reading_paused",
        "_reason",
        "_tainted",
        "_trailers",
        "_writing_paused",
        "answered",
        "body_sent",
        "deadline",
        "heard",
        "idle_since",
        "master",
        "repeatable",
        "served",
        "transport",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, master: "Master") -> None:
        self._loop = loop
        self.master = master
        self.transport: asyncio.Transport | None = None
        self.served = 0
        self.idle_since = 0.0
        self.deadline: float | None = None
        self.answered = False
        self.heard = True
        self.body_sent = True
        self.repeatable = False
        self._exchange: Answer | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._writing_paused = False
        self._drained: asyncio.Future[None] | None = None
        self._reading_paused = False
        self._keep_alive = False
        self._reset()

    def _reset(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._trailers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._reason = b""
        self._head_done = self._interim = self._complete = self._tainted = False
        self._head_size = 0
        self._left = 0

    # The request's way.

    def send(self, exchange: Answer, head: bytes, *, repeatable: bool = False) -> None:
        """Send a request's head (and what of its body is there already); answers go to it."""
        self.served += 1
        self.answered = False
        self.repeatable = repeatable
        self.body_sent = False
        self._exchange = exchange
        exchange.attach(self)
        self.write(head)

    def request_sent(self, deadline: float | None) -> None:
        """All of the request is sent; the answer's head must be there by ``deadline``, if any."""
        self.body_sent = True
        if self._exchange is not None and not self._head_done:
            self.deadline = deadline

    def write(self, data: bytes) -> None:
        """Send a piece of the request's body. Dropped where the connection has gone."""
        if self.transport is not None:
            self.transport.write(data)

    @property
    def braked(self) -> bool:
        """Whether the API server should take some before more is written."""
        return self._writing_paused

    async def drain(self) -> None:
        """Return when the API server has taken enough for more to be written."""
        if self._writing_paused and self.transport is not None:
            self._drained = self._loop.create_future()
            await self._drained

    def pause_reading(self) -> None:
        """Called by the exchange: the client can't take more."""
        if not self._reading_paused and self.transport is not None:
            self._reading_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Called by the exchange: the client takes more."""
        if self._reading_paused and self.transport is not None:
            self._reading_paused = False
            self.transport.resume_reading()

    @property
    def streaming(self) -> bool:
        """Whether an answer has begun, and goes on."""
        return self._exchange is not None and self._head_done

    @property
    def stale(self) -> bool:
        """Whether it had been kept, and no byte of the present answer came: it may have closed."""
        return self.served > 1 and not self.answered

    @property
    def usable(self) -> bool:
        """Whether a new request may be sent on it."""
        return (
            self.transport is not None
            and self._exchange is None
            and not self.transport.is_closing()
        )

    def abort(self, error: UpstreamError | None = None) -> None:
        """Throw the connection away at once; a waiting exchange fails with ``error``."""
        exchange, self._exchange = self._exchange, None
        if self.transport is not None:
            self.transport.abort()
        if exchange is not None:
            exchange.fail(error or UpstreamGone("the connection was closed"))
            if error is not None and exchange.truncated:
                self.master.truncated()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands, TLS included."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment]  # uvloop's isn't a subclass
        self._parser = httptools.HttpResponseParser(self)

    def pause_writing(self) -> None:
        """Called by the transport: the API server reads slower than we write."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """Called by the transport: its buffer has drained."""
        self._writing_paused = False
        self._wake_writer()

    def data_received(self, data: bytes) -> None:
        """Parse one read and write it on."""
        exchange = self._exchange
        if exchange is None:
            # Nothing was asked: whatever this is, the next request must not take it for its answer.
            self.abort()
            return
        self.answered = self.heard = True
        if self._left:
            self._count_off(exchange, data)
            return
        if not self._head_done:
            self._head_size += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._switch(exchange, data[upgrade.args[0] :])
            return
        except (httptools.HttpParserError, UpstreamError) as exc:
            if not self._complete:
                self.abort(_translated(exc))
                return
            self._tainted = True  # Something came after the answer: not to be used again.
        if not self._head_done and self._head_size > MAX_HEAD_BYTES:
            self.abort(UpstreamGarbled("the answer's head is too large"))
            return
        self._pass_on(exchange)

    def _feed(self, data: bytes) -> None:
        assert self._parser is not None
        self._parser.feed_data(data)

    def _pass_on(self, exchange: Answer) -> None:
        if not self._head_done:
            return
        complete = self._complete
        body = self._body
        exchange.forward(body, complete=complete, trailers=self._trailers)
        if complete:
            self._end(exchange)
            return
        if body:
            self._body = []
        if exchange.framing is not None and exchange.framing.length is not None:
            # All that is left to do is to count, for which nothing has to be parsed and copied.
            self._left = int(exchange.framing.length) - exchange.sent

    def _count_off(self, exchange: Answer, data: bytes) -> None:
        """Pass on a read of a body whose length is known."""
        if len(data) > self._left:
            data = data[: self._left]
            self._tainted = True
        self._left -= len(data)
        complete = not self._left
        exchange.forward([data], complete=complete)
        if complete:
            self._parser = httptools.HttpResponseParser(self)  # The old one has missed it all.
            self._end(exchange)

    def _end(self, exchange: Answer) -> None:
        """The answer is complete: keep the connection or throw it away, then tell the exchange."""
        reusable = self.body_sent and not self._tainted and self._keep_alive
        if exchange.wants_upgrade:
            reusable = False  # Whoever asked ends the connection, which must be nobody else's.
        if exchange.framing is not None and exchange.framing.empty:
            # llhttp doesn't know that HEAD was asked and would take the next answer for a body.
            self._parser = httptools.HttpResponseParser(self)
        self._exchange = None
        self.deadline = None
        self._reset()
        self.resume_reading()
        if reusable:
            self.master.keep(self)
        elif self.transport is not None:
            self.transport.close()
        exchange.finish()

    def _switch(self, exchange: Answer, tail: bytes) -> None:
        if not exchange.wants_upgrade or self._parser is None:
            self.abort(UpstreamGarbled("it switched protocols without being asked to"))
            return
        self._exchange = None
        self.deadline = None
        self._parser = None  # It holds our callbacks, and nobody tells us of the connection's end.
        self.resume_reading()
        self.master.met(self)
        exchange.switch(self._headers, tail)

    def eof_received(self) -> None:
        """The API server will send nothing more; a body without a length ends here."""
        exchange = self._exchange
        if exchange is None or exchange.framing is None or not self._head_done:
            return
        framing = exchange.framing
        if not framing.chunked and framing.length is None:
            self._complete = self._tainted = True
            self._pass_on(exchange)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self.transport = None
        self._parser = None  # It holds our callbacks: a cycle otherwise.
        self._wake_writer()
        self.master.lost(self)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.fail(UpstreamGone("the API server closed the connection"))
            if exchange.truncated:
                self.master.truncated()

    def _wake_writer(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    # httptools' callbacks, in the order in which they come.

    def on_status(self, reason: bytes) -> None:
        """A piece of the status line's reason."""
        if self._complete:
            raise UpstreamGarbled("more than one answer came")
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line, or a trailer's."""
        (self._trailers if self._head_done else self._headers).append((name, value))

    def on_headers_complete(self) -> None:
        """The head is complete: an interim one is dropped, a final one passed on."""
        assert self._parser is not None
        assert self._exchange is not None
        if self._complete:
            raise UpstreamGarbled("more than one answer came")
        status = self._parser.get_status_code()
        if status == 101:
            return
        if status < 200:
            self._interim = True
            return
        self._head_done = True
        if self.served == 1:
            self.master.met(self)
        # Asked now: llhttp forgets the head's flags once the message is complete.
        self._keep_alive = self._parser.should_keep_alive()
        self.deadline = None
        self._exchange.head(status, self._reason, self._headers)
        self._headers = []  # A watch lasts for hours, and needs them no more.
        if self._exchange.framing is not None and self._exchange.framing.empty:
            self._complete = True

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        if self._complete:
            raise UpstreamGarbled("a body came where none may be")
        self._body.append(data)

    def on_message_complete(self) -> None:
        """The answer is complete, or was an interim one."""
        if self._interim and not self._head_done:
            self._interim = False
            self._headers = []
            self._reason = b""
            return
        if self._head_done:
            self._complete = True


def _translated(exc: Exception) -> UpstreamError:
    """What went wrong in a parser's callback, or in the parser."""
    cause = exc.__context__ if isinstance(exc, httptools.HttpParserCallbackError) else exc
    if isinstance(cause, RejectedCredential):
        return UpstreamRejected("the API server doesn't accept Sekisho's credential")
    if isinstance(cause, UpstreamError):
        return cause
    return UpstreamGarbled("the API server's answer is not valid HTTP")
