"""A client connection with a fast path: aiohttp's half of it is created when a request needs it.

Most connections carry only ordinary requests, and many carry one: a kubectl call. So aiohttp's
parser, task and timer do not exist before the first request that is not ordinary. Whether aiohttp's
parser is at the start of a request is known only by counting the bytes that it received:
``unread_bytes`` is the number of bytes of its current request still to come.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from proxy.client.connection import ClientConnection
from proxy.fastpath.header_cache import CachedHeaders
from proxy.limits.unfinished_heads import UnfinishedHead, begins_a_request
from proxy.response.status import StatusError, status_bytes

MAX_UNSENT = 64 * 1024
"""Bytes that may wait for the client before no more are read for it. The bytes of one read come on
top, and uvloop's reads from TLS bring a quarter of a MiB; its own limit is twice that."""

MAX_BEHIND = 64 * 1024
"""Bytes that may wait behind a request on the fast path before no more are read."""


_END = b"\r\n\r\n"
"""The end of a header block."""

MAX_DEFERRALS = 4
"""Turns of the event loop for which a request waits until aiohttp has finished the one before it.

A client under load sends its next request before aiohttp's tasks learn that the last response has
been sent. If that kept it off the fast path, it would never return to it.
"""


class InFlight(Protocol):
    """A request on the fast path, as its connection uses it."""

    def client_gone(self) -> None:
        """Handle that the client left."""


TryHandle = Callable[["FastPathConnection", bytes], bool]
"""Handles an ordinary request; False if it is not one. See :mod:`proxy.fastpath.handler`."""


class FastPathConnection(ClientConnection):
    """One client connection. ``running`` is the request on the fast path, if any.

    ``cached_headers`` is the meaning of ``header_lines``, the last header lines on the connection.
    ``unread_bytes`` is None if unknown: then the connection leaves the fast path.
    """

    __slots__ = (
        "_behind",
        "_max_line",
        "_max_lines",
        "_options",
        "_try_handle",
        "_turns",
        "_unfinished",
        "cached_headers",
        "header_lines",
        "running",
        "unread_bytes",
    )

    def __init__(
        self,
        try_handle: TryHandle,
        server: web.Server,
        loop: asyncio.AbstractEventLoop,
        options: Mapping[str, Any],
    ) -> None:
        # aiohttp's half follows in _feed_aiohttp.
        own = dict(options)
        idle_seconds = float(own.get("keepalive_timeout", 3630.0))  # aiohttp's own default
        self.init_inactive(server, loop, idle_seconds)
        self._init_state(
            own.pop("malformed"),
            own.pop("max_head"),
            own.pop("heads"),
            idle_seconds,
            own.pop("anonymous_seconds"),
        )
        self._options = own
        self._try_handle = try_handle
        self._behind = b""
        self._turns = MAX_DEFERRALS
        self._unfinished: UnfinishedHead | None = None
        self._max_line = own.get("max_line_size", 8190)  # aiohttp's own limits
        self._max_lines = own.get("max_headers", 128)
        self.running: InFlight | None = None
        self.cached_headers: CachedHeaders | None = None
        self.header_lines = b""
        self.unread_bytes: int | None = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Handle the transport's event that a client has connected."""
        # uvloop's transports do not derive from asyncio's.
        self.open_inactive(transport, write_limit=MAX_UNSENT)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        """Handle bytes from the client: on the fast path if possible, or by aiohttp."""
        if self.running is not None or self._behind:
            self._wait_behind(data)
        elif self.unread_bytes is None:
            self._feed_aiohttp(data)
        elif self.unread_bytes:
            self.unread_bytes = (
                self.unread_bytes - len(data) if len(data) <= self.unread_bytes else None
            )
            self._feed_aiohttp(data)
        elif self.is_free():
            self._turns = MAX_DEFERRALS
            if self._unfinished is not None:
                self._continue_head(self._unfinished, data)
            elif not self._try_handle(self, data) and not self._begin_head(data):
                self._leave_fast_path(data)
        elif self._may_be_free_soon():
            self._turns -= 1
            self._behind = data
            self.loop.call_soon(self._catch_up)
        else:
            self._feed_aiohttp(data)

    def _begin_head(self, data: bytes) -> bool:
        """Keep the beginning of a header block until it is complete. False if it is none."""
        if self.unread_bytes is not None or _END in data or not begins_a_request(data):
            return False
        head = UnfinishedHead()
        if not self._may_continue(head, data) or self._overflow(len(data)) is not None:
            return False
        head.add(data)
        self._unfinished = head
        self.unread_bytes = 0
        return True

    def _continue_head(self, head: UnfinishedHead, data: bytes) -> None:
        """Add to an incomplete header block, and handle the request once it is complete."""
        complete = head.ends_in(data)
        fits = not complete and self._may_continue(head, data)
        if fits and self._overflow(head.size + len(data)) is None:
            head.add(data)
            return
        self._unfinished = None
        self._head_is_over()
        everything = head.joined(data)
        self.unread_bytes = None
        if not complete or not self._try_handle(self, everything):
            self._leave_fast_path(everything)

    def _may_continue(self, head: UnfinishedHead, data: bytes) -> bool:
        return head.may_go_on(data, max_line=self._max_line, max_lines=self._max_lines)

    def _leave_fast_path(self, data: bytes) -> None:
        """Leave a request to aiohttp from its first byte on, unless its head is too large."""
        too_large = len(data) > self._max_head and data.find(_END) > self._max_head - len(_END)
        self._feed_aiohttp(b"" if too_large else data)
        if too_large:
            self._refuse_head(LineTooLong(b"", self._max_head))

    def _may_be_free_soon(self) -> bool:
        """Return whether the connection may be free in a turn or two of the event loop."""
        return bool(
            self._turns
            and self.flow_source is None
            and not (self.has_queued_requests or self.is_closing)
        )

    def _feed_aiohttp(self, data: bytes) -> None:
        """Pass bytes to aiohttp, whose half of the connection begins with the first of them."""
        if not self.is_active:
            if self.is_lost:
                return
            self.activate(self._options, self._idle_seconds)
        super().data_received(data)

    @property
    def address(self) -> str:
        """The address at the other end of the connection, or the origin of its requests."""
        if self.origin or self.announced:
            return self.origin or self.announced
        peer = self.transport.get_extra_info("peername") if self.transport is not None else None
        return str(peer[0] if isinstance(peer, tuple) else peer or "")

    def send_status(self, error: StatusError, request_id: str, *, keep_alive: bool) -> None:
        """Respond for the cluster."""
        if self.transport is not None:
            self.transport.write(status_bytes(error, request_id, keep_alive=keep_alive))
            if not keep_alive and self.running is None:
                self.force_close()

    def request_done(self, *, keep_alive: bool) -> None:
        """Continue with the connection after a request on the fast path, or close it."""
        self._end_running()
        if not keep_alive or self.closes_after_request:
            self.force_close()
            return
        self.idle_deadline = self.loop.time() + self._idle_seconds
        if self._behind:
            self.loop.call_soon(self._catch_up)

    def fall_back(self, data: bytes) -> None:
        """Leave a request that failed on the fast path to aiohttp."""
        self._end_running()
        behind, self._behind = self._behind, b""
        if behind:
            self.unread_bytes = None
            self.resume_transport()
        self._feed_aiohttp(data + behind)

    def _end_running(self) -> None:
        self.running = None
        self.request_handled()

    def _wait_behind(self, data: bytes) -> None:
        """Keep bytes that arrived behind a request until its response is complete."""
        self._behind += data
        if len(self._behind) > MAX_BEHIND:
            self.pause_transport()

    def _catch_up(self) -> None:
        if self.running is None and self._behind and self.transport is not None:
            behind, self._behind = self._behind, b""
            self.resume_transport()
            self.data_received(behind)

    @property
    def in_use(self) -> bool:
        """Whether a request on the fast path uses the connection."""
        return self.running is not None

    def _is_waiting(self) -> bool:
        return self.running is None and (not self.is_active or self.awaits_request)

    async def shutdown(self, timeout: float | None = 15.0) -> None:
        """Wait for the request on the fast path to end, then shut down as aiohttp does."""
        if self.running is not None:
            await self.wait_until_handled(timeout)
        await super().shutdown(timeout)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Handle the transport's event that the connection has ended."""
        running, self.running = self.running, None
        self.cached_headers, self.header_lines = None, b""
        super().connection_lost(exc)
        if running is not None:
            running.client_gone()
