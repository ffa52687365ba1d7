"""All use of aiohttp's private attributes, under public names.

aiohttp reads requests (llhttp, in C), but keeps to itself whether a connection is idle, when its
keep-alive time ends and what waits in its queue. The fast path also creates aiohttp's half of a
connection only when a request needs it: most connections carry nothing but fast path requests, and
aiohttp's parser, task and timer would be most of their cost.

PRIVATE_NAMES lists them all, and tests/proxy/client/test_aiohttp_internals.py fails with the name
that a new aiohttp has renamed. Of the client's half of aiohttp, providers.network.dialed_connector
uses one private name. No other module uses any.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import _ErrInfo

PRIVATE_NAMES: Mapping[type, tuple[str, ...]] = {
    web.RequestHandler: (
        "_buffer_paused",
        "_close",
        "_current_request",
        "_drain_waiter",
        "_force_close",
        "_handler_waiter",
        "_keepalive_handle",
        "_lingering_time",
        "_loop",
        "_manager",
        "_messages",
        "_next_keepalive_close_time",
        "_parser",
        "_pause_transport_reading",
        "_paused",
        "_payload_parser",
        "_process_keepalive",
        "_reading_paused",
        "_request_in_progress",
        "_resume_transport_reading",
        "_task_handler",
        "_upgraded",
        "_waiter",
    ),
    web.BaseSite: ("_server",),
    RawRequestMessage: ("_replace",),
}
"""The private names that this module uses, by the class of aiohttp that has them."""

_CLOSED = "Connection closed."
"""What ``StreamReader`` raises when it is read after the connection has ended."""


class AiohttpConnection(web.RequestHandler):
    """aiohttp's connection handler, with its private state under public names.

    ``is_active`` is false until aiohttp's half of the connection exists; see :meth:`init_inactive`.
    """

    __slots__ = ("is_active", "loop")

    def __init__(
        self, server: web.Server, *, loop: asyncio.AbstractEventLoop, **options: Any
    ) -> None:
        super().__init__(server, loop=loop, **options)
        self.loop = loop
        self.is_active = True

    # A connection without aiohttp's half.

    def init_inactive(
        self, server: web.Server, loop: asyncio.AbstractEventLoop, idle_seconds: float
    ) -> None:
        """Set only what aiohttp's methods read before :meth:`activate`."""
        self.loop = self._loop = loop
        self.is_active = False
        self._manager = server
        self.transport = None
        self._paused = self._upgraded = self._reading_paused = self._buffer_paused = False
        self._close = self._force_close = self._request_in_progress = False
        self._parser = self._drain_waiter = self._waiter = self._handler_waiter = None
        self._current_request = self._task_handler = self._payload_parser = None
        self._keepalive_handle = None
        self._next_keepalive_close_time = loop.time() + idle_seconds

    def open_inactive(self, transport: asyncio.Transport, *, write_limit: int) -> None:
        """Take the transport and register with the server, without aiohttp's task and timer."""
        self.transport = transport
        transport.set_write_buffer_limits(high=write_limit)
        assert self._manager is not None
        self._manager.connection_made(self, transport)

    def activate(self, options: Mapping[str, Any], idle_seconds: float) -> None:
        """Create aiohttp's half of an open connection: its parser and its task."""
        assert self._manager is not None
        kept = self.transport, self._paused, self._close, self._force_close
        web.RequestHandler.__init__(self, self._manager, loop=self.loop, **options)
        self.transport, self._paused, self._close, self._force_close = kept
        self.is_active = True
        self._next_keepalive_close_time = self.loop.time() + idle_seconds
        self._task_handler = self.loop.create_task(self.start())

    # The state of a connection.

    def log_exception(self, *args: Any, **options: Any) -> None:
        """Log an exception, unless it says that the client has left, which is no error.

        After the response, aiohttp reads the rest of the request's body. If the connection ends at
        that moment, ``StreamReader`` raises a RuntimeError, which would be logged with a traceback.
        """
        exc = options.get("exc_info")
        if self.is_lost and isinstance(exc, RuntimeError) and str(exc) == _CLOSED:
            self.log_debug("The client left before the end of its request's body.")
        else:
            super().log_exception(*args, **options)

    @property
    def is_lost(self) -> bool:
        """Whether the transport is gone, so that aiohttp has cut its ties."""
        return self._manager is None

    @property
    def is_closing(self) -> bool:
        """Whether the connection closes, now or after its current request."""
        return self._close or self._force_close

    @property
    def closes_after_request(self) -> bool:
        """Whether the connection closes after its current request."""
        return self._close

    @property
    def has_queued_requests(self) -> bool:
        """Whether requests are parsed that no handler has taken."""
        return bool(self.is_active and self._messages)

    @property
    def awaits_request(self) -> bool:
        """Whether aiohttp waits for the first bytes of a request, or the rest of a header block."""
        return self._waiter is not None and not self._waiter.done()

    @property
    def current_request(self) -> web.BaseRequest | None:
        """The request that aiohttp handles."""
        return self._current_request

    @property
    def reading_paused(self) -> bool:
        """Whether the server does not read from the client, because a body's buffer is full."""
        return self._reading_paused

    def is_free(self) -> bool:
        """Return whether the connection is open and has nothing to do. The fast path's question."""
        if self._force_close or self._close:
            return False
        return not self.is_active or (self._waiter is not None and not self._messages)

    # Keep-alive. ``idle_deadline`` is in seconds of the loop.

    @property
    def idle_deadline(self) -> float:
        """The time at which the connection closes if no request begins."""
        return self._next_keepalive_close_time

    @idle_deadline.setter
    def idle_deadline(self, deadline: float) -> None:
        self._next_keepalive_close_time = deadline

    @property
    def in_use(self) -> bool:
        """Whether a request that aiohttp does not know of uses the connection."""
        return False

    def _process_keepalive(self) -> None:
        """Close an idle connection, unless a request that aiohttp does not know of uses it."""
        if self.in_use:
            self._keepalive_handle = None
        else:
            super()._process_keepalive()

    # Reading.

    def pause_transport(self) -> None:
        """Stop reading from the client."""
        self._pause_transport_reading()

    def resume_transport(self) -> None:
        """Continue to read from the client."""
        self._resume_transport_reading()

    def queue_error(self, error: HttpProcessingError) -> None:
        """Queue ``error`` as aiohttp queues that of a line that is too long, and stop reading."""
        self._messages.append((_ErrInfo(status=error.code, exc=error, message=""), EMPTY_PAYLOAD))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        if self.transport is not None:
            self.transport.pause_reading()

    def queue_ends_in_error(self) -> bool:
        """Return whether the last bytes that arrived are not valid HTTP."""
        return bool(self._messages) and isinstance(self._messages[-1][0], _ErrInfo)

    def stop_lingering(self) -> None:
        """Do not read the rest of the current request's body after its response."""
        self._lingering_time = 0.0

    # Shutdown.

    async def wait_until_handled(self, timeout: float | None) -> None:
        """Close after the current request, and wait up to ``timeout`` seconds for its end."""
        self._force_close = True
        self._handler_waiter = self.loop.create_future()
        try:
            async with asyncio.timeout(timeout):
                await self._handler_waiter
        except TimeoutError:
            pass
        self._handler_waiter = None

    def request_handled(self) -> None:
        """Wake :meth:`wait_until_handled`."""
        if self._handler_waiter is not None and not self._handler_waiter.done():
            self._handler_waiter.set_result(None)


def set_server(site: web.BaseSite, server: Any) -> None:
    """Give a site what it closes when its runner stops: anything with ``close``."""
    site._server = server


def server_of(site: web.BaseSite) -> Any:
    """Return what a started site listens with; ``sockets`` are its sockets."""
    return site._server


def closing(message: Any) -> Any:
    """Return a parsed request after which aiohttp closes the connection."""
    return message._replace(should_close=True)
