"""Incremental parser for the responses on one connection (RFC 9112). No I/O.

llhttp (through httptools) finds the ends of head, chunks and message. The body bytes between them
are not changed.
"""

import httptools

from proxy.upstream.errors import UpstreamProtocolError

MAX_HEAD_BYTES = 256 * 1024
"""The maximum size of a response's head, and of anything else that is not body, at a time. Heads
of API servers take less than 2 KB."""

_NO_BODY = frozenset({204, 304})
"""Statuses of responses without a body, whatever their headers contain (RFC 9112 §6.3)."""


class ResponseParser:
    """Parse one response after the other: call :meth:`expect`, :meth:`feed`, :meth:`reset`.

    After each ``feed``, the fields describe the response so far. ``head_complete``: ``status``,
    ``reason`` and ``headers`` are those of the final response; interim ones are dropped. ``body``
    holds the pieces since :meth:`take_body`. ``complete``: the response has ended, and ``trailers``
    with it. ``keep_alive``: the connection may be used for another request. ``switched`` has the
    bytes that follow a ``101``, and None without one.
    """

    __slots__ = (
        "_bypassed",
        "_head_bytes",
        "_head_request",
        "_interim",
        "_llhttp",
        "_no_body",
        "_remaining",
        "body",
        "complete",
        "head_complete",
        "headers",
        "keep_alive",
        "reason",
        "status",
        "switched",
        "trailers",
    )

    def __init__(self) -> None:
        self._llhttp: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._head_request = False
        self.switched: bytes | None = None
        self._clear()

    def _clear(self) -> None:
        self.status = 0
        self.reason = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.trailers: list[tuple[bytes, bytes]] = []
        self.body: list[bytes] = []
        self.head_complete = self.complete = self.keep_alive = False
        self._interim = self._no_body = self._bypassed = False
        self._head_bytes = 0
        self._remaining = 0

    def expect(self, *, head_request: bool) -> None:
        """Prepare for the response to a request. The response to HEAD has no body."""
        self._head_request = head_request

    def feed(self, data: bytes) -> None:
        """Parse one read.

        Raises UpstreamProtocolError where the response is not valid HTTP, or its head is too large.
        Invalid bytes after a complete response only clear ``keep_alive``.
        """
        if self._remaining:
            self._count(data)
            return
        assert self._llhttp is not None
        self._head_bytes += len(data)
        try:
            self._llhttp.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.switched = data[upgrade.args[0] :]
            return
        except httptools.HttpParserError as exc:
            if not self.complete:
                raise _protocol_error(exc) from None
            self.keep_alive = False
        if self._head_bytes > MAX_HEAD_BYTES:
            # This includes trailers, which are kept until the response is complete.
            raise UpstreamProtocolError("the response's head or trailers are too large")

    def expect_body(self, remaining: int) -> None:
        """Count the ``remaining`` bytes of a body instead of parsing them, which copies them."""
        self._remaining = remaining
        self._bypassed = remaining > 0

    def _count(self, data: bytes) -> None:
        if len(data) > self._remaining:
            data = data[: self._remaining]
            self.keep_alive = False
        self._remaining -= len(data)
        self.complete = not self._remaining
        self.body.append(data)

    def take_body(self) -> list[bytes]:
        """Return the pieces of the body that came since the last call."""
        body = self.body
        if body:
            self.body = []
        return body

    def finish(self) -> None:
        """End a body that has no length: the connection has ended."""
        self.complete = True
        self.keep_alive = False

    def reset(self) -> None:
        """Prepare for the next response, after a complete one."""
        if self._bypassed or self._no_body:
            # llhttp has not seen the end of the body, or does not know that HEAD was requested.
            self._llhttp = httptools.HttpResponseParser(self)
        self._clear()

    def close(self) -> None:
        """Drop llhttp's parser, which refers to this object: the two would be a cycle."""
        self._llhttp = None

    # Callbacks of httptools, in the order in which they are called.

    def on_status(self, reason: bytes) -> None:
        """Add a piece of the status line's reason."""
        if self.complete:
            raise UpstreamProtocolError("more than one response came")
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header, or a trailer."""
        (self.trailers if self.head_complete else self.headers).append((name, value))

    def on_headers_complete(self) -> None:
        """Note the final head; an interim one is dropped when its message is complete."""
        assert self._llhttp is not None
        if self.complete:
            raise UpstreamProtocolError("more than one response came")
        status: int = self._llhttp.get_status_code()
        if status == 101:
            return
        if status < 200:
            self._interim = True
            return
        self.status = status
        self.head_complete = True
        # llhttp forgets the head's flags once the message is complete.
        self.keep_alive = self._llhttp.should_keep_alive()
        self._no_body = self.complete = self._head_request or status in _NO_BODY

    def on_body(self, data: bytes) -> None:
        """Add a piece of the body."""
        if self.complete:
            raise UpstreamProtocolError("a body came where none is allowed")
        self._head_bytes = 0
        self.body.append(data)

    def on_message_complete(self) -> None:
        """Note the end of the response, or drop an interim response."""
        if self._interim and not self.head_complete:
            self._interim = False
            self.headers = []
            self.reason = b""
        elif self.head_complete:
            self.complete = True


def _protocol_error(exc: Exception) -> UpstreamProtocolError:
    """Return the error that a callback raised, or one for an error of llhttp."""
    if isinstance(exc, httptools.HttpParserCallbackError):
        cause = exc.__context__
        if isinstance(cause, UpstreamProtocolError):
            return cause
    return UpstreamProtocolError("the API server's response is not valid HTTP")
