"""Read one bounded line from a connection whose later bytes belong to a stream."""

import asyncio
from typing import cast

from management.tunnels.peer_protocol import MAX_LINE_BYTES, MalformedLine
from management.tunnels.peer_relay import bound_unread_bytes


class LineReader(asyncio.Protocol):
    """Reads one line. ``line`` is the result, ``gone`` completes when the peer has left.

    With ``more_may_follow``, the connection is not read after the line, and ``rest`` has what came
    with it. Without, a peer that sends more is cut off.

    ``line`` raises MalformedLine for a line that is too long, and ConnectionError if the peer
    leaves before the end of the line.
    """

    def __init__(self, *, more_may_follow: bool) -> None:
        loop = asyncio.get_running_loop()
        self.line: asyncio.Future[bytes] = loop.create_future()
        self.gone: asyncio.Future[None] = loop.create_future()
        self.rest = b""
        self.transport: asyncio.Transport | None = None
        self._more_may_follow = more_may_follow
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to read."""
        self.transport = cast(asyncio.Transport, transport)
        bound_unread_bytes(self.transport)

    def data_received(self, data: bytes) -> None:
        """Collect the line."""
        if self.line.done():
            self.rest += data
            self._check_rest()
            return
        self._received += data
        end = self._received.find(b"\n") + 1
        if (end or len(self._received)) > MAX_LINE_BYTES:
            self._fail(MalformedLine(f"a line is longer than {MAX_LINE_BYTES} bytes"))
            self._cut_off()
        elif end:
            self.rest = bytes(self._received[end:])
            self.line.set_result(bytes(self._received[:end]))
            self._check_rest()
            if self._more_may_follow and self.transport is not None:
                self.transport.pause_reading()

    def eof_received(self) -> bool:
        """Treat a peer that sends nothing more as one that has left: there is no stream yet."""
        self._leave()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Report that the peer has left."""
        self._leave()

    def _check_rest(self) -> None:
        if self.rest and not self._more_may_follow:
            self._cut_off()

    def _cut_off(self) -> None:
        if self.transport is not None:
            self.transport.abort()
        self._leave()

    def _leave(self) -> None:
        self._fail(ConnectionResetError("the peer closed the connection"))
        if not self.gone.done():
            self.gone.set_result(None)

    def _fail(self, error: Exception) -> None:
        if not self.line.done():
            self.line.set_exception(error)
            self.line.exception()  # it may be that no task waits any longer
