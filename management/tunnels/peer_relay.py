"""Join two connections: bytes in both directions, with flow control and half-closes.

One side is the caller's, the other one leads to the cluster. A side whose buffer is full stops the
reading of the other one. The end of what a side sends is passed on if the other transport can
(TLS cannot: it closes). A connection that ends closes the other one after what was received.

While a caller is not read, because the cluster takes no more, the event loop does not notice that
it has left. The kernel does, and is asked from time to time.
"""

import asyncio
import select
import socket
from typing import cast

HIGH_WATER = 64 * 1024
"""Bytes that may wait in each direction of each transport before the other side is not read."""

CLOSE_SECONDS = 10.0
"""How long a side that closes may take to accept what is left for it."""

CHECK_SECONDS = 5.0
"""How often to check whether a caller that is not read has left."""

_HUNG_UP = select.POLLHUP | select.POLLERR | select.POLLNVAL


class RelayEnd(asyncio.Protocol):
    """One of the two joined connections."""

    def __init__(self, relay: "Relay") -> None:
        self._relay = relay
        self.transport: asyncio.Transport | None = None
        self.reading_paused = self.at_end = False
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def other(self) -> "RelayEnd":
        """The other connection."""
        return self._relay.other(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Use a transport, with bounded buffers, and read nothing until the relay starts.

        A transport of uvloop that is new is read all the same. So connect the side first that may
        be sent something.
        """
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(HIGH_WATER)
        bound_unread_bytes(self.transport)
        self.pause()

    def data_received(self, data: bytes) -> None:
        """Pass bytes on."""
        self.other.write(data)

    def pause_writing(self) -> None:
        """Do not read the other side: this one is slow."""
        self.other.pause()

    def resume_writing(self) -> None:
        """Read the other side again."""
        self.other.resume()

    def eof_received(self) -> bool:
        """Pass on that this side sends nothing more. True keeps the other direction open."""
        self.at_end = True
        self.other.finish()
        if self.other.at_end:
            self.close()
            return False
        return self.transport is not None and self.transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the other side after what was received."""
        self.transport = None
        if self._deadline is not None:
            self._deadline.cancel()
        self.other.close()
        self._relay.end_if_over()

    def write(self, data: bytes) -> None:
        """Send bytes of the other side."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def finish(self) -> None:
        """Send nothing more, after what was written."""
        if self.transport is None or self.transport.is_closing():
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.close()

    def pause(self) -> None:
        """Stop reading."""
        if self.transport is not None and not self.transport.is_closing():
            self.reading_paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self.transport is not None and not self.transport.is_closing():
            self.reading_paused = False
            self.transport.resume_reading()

    def close(self) -> None:
        """Close after what was written, but not later than CLOSE_SECONDS from now."""
        if self.transport is None or self._deadline is not None:
            return
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(CLOSE_SECONDS, self.transport.abort)
        self.transport.close()

    def abort(self) -> None:
        """Close now."""
        if self.transport is not None:
            self.transport.abort()


class Relay:
    """Two joined connections. ``done`` completes when both have ended."""

    def __init__(self) -> None:
        self.caller = RelayEnd(self)
        self.cluster = RelayEnd(self)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._check = asyncio.get_running_loop().call_later(CHECK_SECONDS, self._check_caller)

    def other(self, end: RelayEnd) -> RelayEnd:
        """Return the other end."""
        return self.cluster if end is self.caller else self.caller

    def start(self) -> None:
        """Begin: both ends are connected."""
        for end in (self.caller, self.cluster):
            if end.transport is None or end.transport.is_closing():
                end.other.close()
            end.resume()
        self.end_if_over()

    def abort(self) -> None:
        """End both connections now."""
        self.caller.abort()
        self.cluster.abort()

    def end_if_over(self) -> None:
        """Complete ``done`` if both connections have ended."""
        if self.caller.transport is None and self.cluster.transport is None:
            self._check.cancel()
            if not self.done.done():
                self.done.set_result(None)

    def _check_caller(self) -> None:
        end = self.caller
        unread = end.reading_paused or end.at_end
        if unread and end.transport is not None and has_hung_up(end.transport):
            self.abort()
            return
        self._check = asyncio.get_running_loop().call_later(CHECK_SECONDS, self._check_caller)


def has_hung_up(transport: asyncio.BaseTransport) -> bool:
    """Return whether the peer has closed the connection in both directions."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return True
    poll = select.poll()
    events = _HUNG_UP
    if connection.family != socket.AF_UNIX:
        # TLS ends in both directions at once, so the end of one is that of the connection.
        events |= getattr(select, "POLLRDHUP", 0)
    try:
        poll.register(connection.fileno(), events)
    except (OSError, ValueError):  # Its descriptor is closed already.
        return True
    return any(found & events for _, found in poll.poll(0))


def bound_unread_bytes(transport: asyncio.Transport) -> None:
    """Limit the bytes that TLS holds while the transport is not read, from 256 KiB in uvloop."""
    limit = getattr(transport, "set_read_buffer_limits", None)
    if limit is not None:
        limit(high=HIGH_WATER)
