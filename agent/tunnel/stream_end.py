"""Join a stream with a socket: bytes in both directions, with flow control.

Bytes from the socket are read only while the stream's queue has room, and the peer gets credit only
when the socket's buffer has drained. So a side that stops reading stops its sender, and holds at
most a window and a queue.
"""

import asyncio
import select
from typing import cast

from agent.tunnel.connection import HIGH_WATER, TunnelConnection
from agent.tunnel.read_buffer import read_buffer

_READ_BYTES = 64 * 1024
"""The most that is read at a time, and so what a stream's queue holds beyond its bound."""

_MOST_PIECES = 64
"""Pieces that may wait in the socket's buffer. One of a few bytes takes a hundred there."""


class StreamEnd(asyncio.BufferedProtocol):
    """The protocol of the socket, and the handler of the stream.

    ``half_close``: the end of what the socket sends is passed on (FIN), and the other direction
    goes on. Otherwise, the owner of the socket has closed it in both directions, and the stream
    ends with it after a short time for what is queued. A closed socket is noticed also while it is
    not read, because the peer takes nothing.
    """

    def __init__(self, tunnel: TunnelConnection, *, half_close: bool) -> None:
        self._tunnel = tunnel
        self._half_close = half_close
        self._stream_id = 0
        self._socket: asyncio.Transport | None = None
        self._held = bytearray()
        self._pieces = 0
        self._unread = 0
        self._paused = False
        self._socket_ended = self._stream_finished = self._over = False
        self._linger: asyncio.TimerHandle | None = None
        self._check: asyncio.TimerHandle | None = None

    def attach(self, stream_id: int) -> None:
        """Set the stream, before its first event."""
        self._stream_id = stream_id

    # The socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to relay, with what the stream has sent before."""
        self._socket = cast(asyncio.Transport, transport)
        self._socket.set_write_buffer_limits(HIGH_WATER)
        if self._over:
            self._socket.abort()
            return
        self._write_held()
        self._give_credit()
        if self._stream_finished:
            self.stream_finished()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return a buffer for the next read."""
        return read_buffer()[:_READ_BYTES]

    def buffer_updated(self, nbytes: int) -> None:
        """Send what was read."""
        if self._stream_finished and not self._half_close:
            return  # The peer has left.
        data = bytes(read_buffer()[:nbytes])
        if self._tunnel.send(self._stream_id, data) <= 0 and self._socket is not None:
            self._socket.pause_reading()
            self._check_later()

    def eof_received(self) -> bool:
        """Pass on the end of what the socket sends; see ``half_close``."""
        self._socket_ended = True
        self._tunnel.finish(self._stream_id)
        if self._stream_finished:
            self._end()
            return False
        if not self._half_close:
            self._linger = asyncio.get_running_loop().call_later(
                self._tunnel.timing.linger, self._abandon
            )
        return True

    def pause_writing(self) -> None:
        """Give the peer no more credit: the socket's reader is slow."""
        self._paused = True

    def resume_writing(self) -> None:
        """Pass on what was held, and give the peer credit for what was passed on."""
        self._paused, self._pieces = False, 0
        if self._socket is not None and not self._socket.is_closing():
            self._socket.set_write_buffer_limits(HIGH_WATER)
            self._write_held()
        self._give_credit()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the stream, if it has not ended in order."""
        self._socket = None
        if not self._over and not (self._socket_ended and self._stream_finished):
            self._tunnel.reset(self._stream_id)
        self._stop()

    # The stream

    def stream_data(self, data: bytes) -> None:
        """Pass bytes on to the socket, or hold them until it is connected or has drained."""
        self._unread += len(data)
        if self._socket is None or self._paused:
            self._held += data  # at most the window
        else:
            self._write(data)
            self._give_credit()

    def stream_finished(self) -> None:
        """Pass on that the peer sends nothing more."""
        self._stream_finished = True
        if self._socket is None:
            return
        self._write_held()
        if self._socket_ended or not self._socket.can_write_eof():
            self._end()
            return
        self._socket.write_eof()
        if not self._half_close:
            # The socket stays open until its owner has read everything and closes it. If it were
            # closed here, the owner's next write would fail, and event loops drop what is unread
            # then. What the owner still sends is dropped.
            self._tunnel.finish(self._stream_id)
            self._socket.resume_reading()

    def stream_reset(self) -> None:
        """Close the socket so that its owner sees a broken connection."""
        self._over = True
        if self._socket is not None:
            self._socket.abort()
        self._stop()

    def stream_writable(self) -> None:
        """Read from the socket again."""
        if self._socket is not None and not self._socket.is_closing():
            self._socket.resume_reading()
            self._cancel_check()

    def _write(self, data: bytes) -> None:
        assert self._socket is not None
        self._socket.write(data)
        self._pieces += 1
        if self._pieces >= _MOST_PIECES:
            self._pieces = 0
            if self._socket.get_write_buffer_size():
                self._socket.set_write_buffer_limits(0)  # pauses, until all has drained

    def _write_held(self) -> None:
        """Write what was held as one piece."""
        if self._held:
            held, self._held = bytes(self._held), bytearray()
            self._write(held)

    def _give_credit(self) -> None:
        if self._paused or self._socket is None:
            return
        size, self._unread = self._unread, 0
        if size and not self._over:
            self._tunnel.consume(self._stream_id, size)

    def _end(self) -> None:
        """Close the socket in order: everything has been passed on."""
        if not self._socket_ended:
            self._tunnel.finish(self._stream_id)
            self._socket_ended = True
        if self._socket is not None:
            self._socket.close()

    def _abandon(self) -> None:
        """End a stream of which the socket was closed."""
        if not self._over:
            self._tunnel.reset(self._stream_id)
            self.stream_reset()

    # The owner of a socket that is not read

    def _check_later(self) -> None:
        """See after a while, without a byte in between, whether the owner has left."""
        if not self._half_close and self._check is None:
            self._check = asyncio.get_running_loop().call_later(
                self._tunnel.timing.linger, self._check_owner
            )

    def _cancel_check(self) -> None:
        if self._check is not None:
            self._check.cancel()
            self._check = None

    def _check_owner(self) -> None:
        self._check = None
        if self._over or self._socket is None:
            return
        if _has_hung_up(self._socket.get_extra_info("socket").fileno()):
            self._abandon()
        else:
            self._check_later()

    def _stop(self) -> None:
        self._over = True
        self._held.clear()
        self._cancel_check()
        if self._linger is not None:
            self._linger.cancel()


def _has_hung_up(descriptor: int) -> bool:
    """Return whether the other end of a socket is closed, though there may be bytes to read."""
    poll = select.poll()
    poll.register(descriptor, 0)  # POLLHUP and POLLERR are always reported.
    return bool(poll.poll(0))
