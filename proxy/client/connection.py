"""The client's side of the gate: aiohttp's connection handler with its flow control let out.

aiohttp reads requests (llhttp, in C). Answers of the cluster are written straight to the client's
transport by :class:`~proxy.exchange.Exchange`; for that, two things must be known that aiohttp
keeps to itself: when the transport's buffer is full, and when the client has closed its half.
"""

from collections.abc import Callable
from typing import Any, Protocol

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import _ErrInfo

MAX_HEAD_BYTES = 1024**2
"""The most that a request's head may have, unless the server is told otherwise."""


class FlowControlled(Protocol):
    """What a connection's buffer pushes back on."""

    def pause(self) -> None:
        """Read no more from the other side for now."""

    def resume(self) -> None:
        """Read on."""


class GateConnection(web.RequestHandler):
    """One client connection. ``source`` is what fills its buffer at the moment, if we know it.

    ``half_closed`` is asked when the client closes its half; True keeps ours open.
    """

    __slots__ = ("_head_bytes", "_malformed", "_max_head", "half_closed", "source")

    def __init__(
        self,
        manager: web.Server,
        *,
        malformed: "MalformedHandler | None" = None,
        max_head: int = MAX_HEAD_BYTES,
        **options: Any,
    ) -> None:
        super().__init__(manager, **options)
        self._malformed = malformed
        self._max_head = max_head
        self._head_bytes = 0
        self.source: FlowControlled | None = None
        self.half_closed: Callable[[], bool] | None = None

    def pause_writing(self) -> None:
        """Called by the transport: its buffer is over the high-water mark."""
        super().pause_writing()
        if self.source is not None:
            self.source.pause()

    def resume_writing(self) -> None:
        """Called by the transport: its buffer has drained."""
        super().resume_writing()
        if self.source is not None:
            self.source.resume()

    def eof_received(self) -> bool | None:  # type: ignore[override]  # asyncio's own signature
        """Called by the transport: the client will send nothing more."""
        return self.half_closed() if self.half_closed is not None else None

    def data_received(self, data: bytes) -> None:
        """Called by the transport. Two things that aiohttp leaves to nobody are looked after here.

        A body that turns out malformed ends for whoever reads it: aiohttp queues the error behind
        the request that it belongs to, which would wait for the rest of its body for ever. And a
        head has a size in all, not only in each of its lines.
        """
        super().data_received(data)
        waiting, request = self._messages, self._current_request
        if request is None:
            if waiting:
                self._head_bytes = 0
                return
            self._head_bytes += len(data)
            if self._head_bytes > self._max_head:
                self._refuse_head()
        elif (
            waiting
            and isinstance(waiting[-1][0], _ErrInfo)
            and not request.content.is_eof()  # else it is the next request that is malformed
        ):
            request.content.set_exception(web.RequestPayloadError("the body is not valid HTTP"))

    def _refuse_head(self) -> None:
        """Queue what aiohttp queues for a line that is too long, and read no more."""
        self._head_bytes = 0
        error = LineTooLong(b"", self._max_head)
        self._messages.append((_ErrInfo(status=431, exc=error, message=""), EMPTY_PAYLOAD))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        if self.transport is not None:
            self.transport.pause_reading()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what isn't HTTP, without repeating (or logging) a byte of it.

        aiohttp's own way would log the line that it couldn't read, credentials and all.
        """
        if self._malformed is None or not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        answer = self._malformed(request, exc)
        answer.force_close()
        return answer


MalformedHandler = Callable[[web.BaseRequest, HttpProcessingError], web.Response]
"""Answers a request whose head (or body) isn't valid HTTP."""


class _Relayed(web.StreamResponse):
    """Tells aiohttp that the answer has been written already."""

    def __init__(self, *, keep_alive: bool) -> None:
        super().__init__()
        self._reusable = keep_alive

    @property
    def keep_alive(self) -> bool:
        """Whether the client connection may carry another request."""
        return self._reusable

    async def prepare(self, request: web.BaseRequest) -> None:
        """The head has gone out."""

    async def write_eof(self, data: bytes = b"") -> None:
        """The body has gone out."""


def relayed(*, keep_alive: bool) -> web.StreamResponse:
    """What a handler returns after an answer was relayed: stateless, so two serve for all."""
    return _KEPT if keep_alive else _CLOSED


_KEPT = _Relayed(keep_alive=True)
_CLOSED = _Relayed(keep_alive=False)
