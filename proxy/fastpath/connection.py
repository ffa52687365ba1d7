"""A client's connection with an express lane: aiohttp's half of it is made when it is needed.

Most connections carry nothing but ordinary requests, and many carry one: a kubectl call. So neither
aiohttp's parser nor its task and timer exist before the first request that isn't ordinary. Whether
aiohttp's parser is at the beginning of a request is known only by counting what it was given:
``owed`` says how many bytes of its present request are still to come.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from proxy.connection import GateConnection
from proxy.status import Refusal, status_bytes

if TYPE_CHECKING:
    from proxy.opening import Opening

MAX_UNSENT = 64 * 1024
"""Bytes that may wait for the client before no more are read for it. What one read brings comes on
top, and uvloop's reads from TLS bring a quarter of a MiB; its own limit is twice that."""

MAX_BEHIND = 64 * 1024
"""Bytes that may wait behind a request in the express lane before no more are read."""


TURNS = 4
"""For how many turns of the loop a request waits for aiohttp to be done with the one before it.

A client under load sends its next request before aiohttp's tasks have heard that the answer to the
last one has gone out. If that alone kept it out of the express lane, it would never get in again.
"""


class Running(Protocol):
    """A request in the express lane, as far as its connection needs it."""

    def client_gone(self) -> None:
        """The client went away."""


Express = Callable[["ExpressConnection", bytes], bool]
"""Serves an ordinary request; False where it isn't one. See :mod:`proxy.express`."""


class ExpressConnection(GateConnection):
    """One client connection. ``running`` is the request in the express lane, if any.

    ``opening`` is what ``opening_lines``, the last header lines there, said. ``owed`` is None where
    nobody knows: then the lane stays closed.
    """

    __slots__ = (
        "_behind",
        "_express",
        "_idle_seconds",
        "_is_aiohttps",
        "_options",
        "_turns",
        "opening",
        "opening_lines",
        "owed",
        "running",
    )

    def __init__(
        self,
        manager: web.Server,
        express: Express,
        loop: asyncio.AbstractEventLoop,
        options: Mapping[str, Any],
        idle_seconds: float,
    ) -> None:
        # What aiohttp's own methods look at before its half is made; see _received.
        self._loop = loop
        self._manager = manager
        self.transport = None
        self._paused = self._upgraded = self._reading_paused = self._buffer_paused = False
        self._close = self._force_close = self._request_in_progress = False
        self._parser = self._drain_waiter = self._waiter = self._handler_waiter = None
        self._current_request = self._task_handler = self._payload_parser = None
        self._keepalive_handle = None
        self._next_keepalive_close_time = loop.time() + idle_seconds
        self.source = None
        self.half_closed = None

        self._express = express
        self._options = options
        self._idle_seconds = idle_seconds
        self._is_aiohttps = False
        self._behind = b""
        self._turns = TURNS
        self.running: Running | None = None
        self.opening: Opening | None = None
        self.opening_lines = b""
        self.owed: int | None = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the transport: a client is there."""
        self.transport = transport  # type: ignore[assignment]  # uvloop's isn't a subclass
        assert self.transport is not None
        self.transport.set_write_buffer_limits(high=MAX_UNSENT)
        assert self._manager is not None
        self._manager.connection_made(self, transport)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        """Called by the transport."""
        if self.running is not None or self._behind:
            self._wait_behind(data)
        elif self.owed is None:
            self._received(data)
        elif self.owed:
            self.owed = self.owed - len(data) if len(data) <= self.owed else None
            self._received(data)
        elif self._is_free():
            self._turns = TURNS
            if not self._express(self, data):
                self._received(data)
        elif self._is_about_to_be():
            self._turns -= 1
            self._behind = data
            self._loop.call_soon(self._catch_up)
        else:
            self._received(data)

    def _is_free(self) -> bool:
        """Whether the connection is open, and has nothing else to do."""
        if self._force_close or self._close:
            return False
        return not self._is_aiohttps or (self._waiter is not None and not self._messages)

    def _is_about_to_be(self) -> bool:
        """Whether it may be free in a turn or two: nothing more is written for a request."""
        return bool(
            self._turns
            and self.source is None
            and not (self._messages or self._force_close or self._close)
        )

    def _received(self, data: bytes) -> None:
        """Let aiohttp have it; its half of the connection begins with the first that it gets."""
        if self._manager is None:
            return
        if not self._is_aiohttps:
            self._is_aiohttps = True
            kept = self.transport, self._paused, self._close, self._force_close
            super().__init__(self._manager, loop=self._loop, **self._options)
            self.transport, self._paused, self._close, self._force_close = kept
            self._next_keepalive_close_time = self._loop.time() + self._idle_seconds
            self._task_handler = self._loop.create_task(self.start())
        super().data_received(data)

    @property
    def address(self) -> str:
        """The address at the other end of the connection."""
        peer = self.transport.get_extra_info("peername") if self.transport is not None else None
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
        self._next_keepalive_close_time = self._loop.time() + self._idle_seconds
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
        if len(self._behind) > MAX_BEHIND:
            self._pause_transport_reading()

    def _catch_up(self) -> None:
        if self.running is None and self._behind and self.transport is not None:
            behind, self._behind = self._behind, b""
            self._resume_transport_reading()
            self.data_received(behind)

    def close_if_idle(self, now: float) -> None:
        """Close a connection that waits for a request, or for the rest of a head, for too long."""
        waiting = not self._is_aiohttps or (self._waiter is not None and not self._waiter.done())
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
