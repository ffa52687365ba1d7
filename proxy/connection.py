"""The client's side of the gate: aiohttp's connection handler with its flow control let out.

aiohttp reads requests (llhttp, in C). Answers of the cluster are written straight to the client's
transport by :class:`~proxy.exchange.Exchange`; for that, two things must be known that aiohttp
keeps to itself: when the transport's buffer is full, and when the client has closed its half.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import _ErrInfo

from proxy.status import Refusal, status_bytes

if TYPE_CHECKING:
    from proxy.opening import Opening

_MAX_BEHIND = 64 * 1024
"""Bytes that may wait behind a request in the express lane before no more are read."""

MAX_HEAD_BYTES = 1024**2
"""The most that a request's head may have, unless the server is told otherwise."""


class FlowControlled(Protocol):
    """What a connection's buffer pushes back on."""

    def pause(self) -> None:
        """Read no more from the other side for now."""

    def resume(self) -> None:
        """Read on."""


class Running(Protocol):
    """A request in the express lane, as far as its connection needs it."""

    def client_gone(self) -> None:
        """The client went away."""


Express = Callable[["GateConnection", bytes], bool]
"""Serves an ordinary request; False where it isn't one. See :mod:`proxy.express`."""


class GateConnection(web.RequestHandler):
    """One client connection. ``source`` is what fills its buffer at the moment, if we know it.

    ``half_closed`` is asked when the client closes its half; True keeps ours open. ``running`` is
    the request in the express lane, if any; ``opening`` what ``opening_lines`` said;
    ``owed`` how many bytes of aiohttp's present request are still to come (None: who knows).
    """

    __slots__ = (
        "_behind",
        "_express",
        "_head_bytes",
        "_malformed",
        "_max_head",
        "_untouched",
        "half_closed",
        "opening",
        "opening_lines",
        "owed",
        "running",
        "source",
    )

    def __init__(
        self,
        manager: "GateServer",
        *,
        malformed: "MalformedHandler | None" = None,
        max_head: int = MAX_HEAD_BYTES,
        express: Express | None = None,
        **options: Any,
    ) -> None:
        super().__init__(manager, **options)
        self._express = express
        self._untouched = True
        self._behind = b""
        self.running: Running | None = None
        self.opening: Opening | None = None
        self.opening_lines = b""
        self.owed: int | None = 0
        self._malformed = malformed
        self._max_head = max_head
        self._head_bytes = 0
        self.source: FlowControlled | None = None
        self.half_closed: Callable[[], bool] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the transport: a client is there.

        aiohttp would start a task and a timer now, which most connections never need: the task
        begins with the first request that isn't for the express lane, and the server looks after
        those that idle (:meth:`GateServer.close_idle`).
        """
        if self._express is None:
            super().connection_made(transport)
            return
        super(web.RequestHandler, self).connection_made(transport)
        assert self._manager is not None
        self._manager.connection_made(self, self.transport)  # type: ignore[arg-type]
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout

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
        if self.running is not None:
            self._wait_behind(data)
            return
        if self._express is not None and self.owed is not None:
            if self.owed:
                self.owed = self.owed - len(data) if len(data) <= self.owed else None
            elif (
                (self._waiter is not None or self._untouched)
                and not (self._messages or self._force_close or self._close)
                and self._express(self, data)
            ):
                return
        self._received(data)

    def _received(self, data: bytes) -> None:
        """Let aiohttp have it; its task begins with the first that it gets."""
        if self._task_handler is None and self._untouched and self._manager is not None:
            self._task_handler = self._loop.create_task(self.start())
        self._untouched = False
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

    # The express lane.

    @property
    def address(self) -> str:
        """The address at the other end of the connection."""
        peer = self.peername
        return str(peer[0] if isinstance(peer, tuple) else peer or "")

    def refuse(self, refusal: Refusal, request_id: str, *, keep_alive: bool) -> None:
        """Answer instead of the cluster."""
        if self.transport is not None:
            self.transport.write(status_bytes(refusal, request_id, keep_alive=keep_alive))
            if not keep_alive and self.running is None:
                self.force_close()

    def express_ended(self, *, keep_alive: bool) -> None:
        """The request in the express lane has been answered: go on, or close."""
        self._leave_express()
        if not keep_alive or self._close:
            self.force_close()
            return
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._behind:
            self._loop.call_soon(self._catch_up)

    def start_over(self, data: bytes) -> None:
        """The express lane couldn't have the request answered: let the other one try."""
        self._leave_express()
        behind, self._behind = self._behind, b""
        if behind:
            self.owed = None
            self._resume_transport_reading()
        self._received(data + behind)

    def _leave_express(self) -> None:
        self.running = None
        if self._handler_waiter is not None and not self._handler_waiter.done():
            self._handler_waiter.set_result(None)

    def _wait_behind(self, data: bytes) -> None:
        """Keep what came behind a request until that has been answered; not much of it."""
        self._behind += data
        if len(self._behind) > _MAX_BEHIND:
            self._pause_transport_reading()

    def _catch_up(self) -> None:
        if self.running is None and self._behind:
            behind, self._behind = self._behind, b""
            self._resume_transport_reading()
            self.data_received(behind)

    def close_if_idle(self, now: float) -> None:
        """Close a connection that waits for a request, or for the rest of a head, for too long."""
        waiting = self._untouched or (self._waiter is not None and not self._waiter.done())
        if self.running is None and waiting and now >= self._next_keepalive_close_time:
            self.force_close()

    def _process_keepalive(self) -> None:
        """Close a connection that idles. To aiohttp, one with an express request does."""
        if self.running is None:
            super()._process_keepalive()
        else:
            self._keepalive_handle = None

    async def shutdown(self, timeout: float | None = 15.0) -> None:
        """Let what runs in the express lane end, then do as aiohttp does."""
        if self.running is not None:
            self._force_close = True
            self._handler_waiter = self._loop.create_future()
            try:
                async with asyncio.timeout(timeout):
                    await self._handler_waiter
            except TimeoutError:
                pass
            self._handler_waiter = None
        await super().shutdown(timeout)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Called by the transport: the connection has ended."""
        running, self.running = self.running, None
        self.opening, self.opening_lines = None, b""
        super().connection_lost(exc)
        if running is not None:
            running.client_gone()

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


class GateServer(web.Server):
    """aiohttp's low-level server, making :class:`GateConnection` for each client.

    ``malformed`` answers what isn't HTTP; without it, aiohttp does.
    """

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        request_factory: Callable[..., web.BaseRequest],
        malformed: MalformedHandler | None = None,
        max_head: int = MAX_HEAD_BYTES,
        express: Express | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            handler, request_factory=request_factory, handler_cancellation=True, **options
        )
        self._loop_of_connections = asyncio.get_running_loop()
        self._malformed = malformed
        self._max_head = max_head
        self._express = express
        self._options = options
        self._every = min(max(options.get("keepalive_timeout", 60.0) / 10, 0.1), 10.0)
        self._sweeper: asyncio.TimerHandle | None = None
        if express is not None:
            self._close_idle()

    def __call__(self) -> GateConnection:
        """A handler for a new connection."""
        return GateConnection(
            self,
            malformed=self._malformed,
            max_head=self._max_head,
            express=self._express,
            loop=self._loop_of_connections,
            **self._options,
        )

    def _close_idle(self) -> None:
        """Close connections that idle, now and then."""
        now = self._loop_of_connections.time()
        for connection in list(self.connections):
            if isinstance(connection, GateConnection):
                connection.close_if_idle(now)
        self._sweeper = self._loop_of_connections.call_later(self._every, self._close_idle)

    async def shutdown(self, timeout: float | None = None) -> None:
        """Let running requests finish within ``timeout`` seconds, then cut off the rest.

        aiohttp's own way spends the time twice, once before and once after it breaks off requests'
        bodies, and takes 0 for no limit.
        """
        if self._sweeper is not None:
            self._sweeper.cancel()
        try:
            async with asyncio.timeout(timeout):
                await super().shutdown(None)
        except TimeoutError:
            await super().shutdown(_CUT_OFF_SECONDS)


_CUT_OFF_SECONDS = 0.05


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
