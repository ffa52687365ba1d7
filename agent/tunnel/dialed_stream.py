"""The server's end of a stream, which begins with the agent's status."""

import asyncio

from agent.tunnel.connection import TunnelConnection
from agent.tunnel.status import Status, StatusReader, StreamRefusedError
from agent.tunnel.stream_end import StreamEnd


class DialedStream(StreamEnd):
    """A stream of which the status is read first. ``connected`` is done when it says so."""

    def __init__(self, tunnel: TunnelConnection) -> None:
        super().__init__(tunnel, half_close=False)
        self._status = StatusReader()
        self.connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def stream_data(self, data: bytes) -> None:
        """Read the status, and pass the rest on."""
        rest = data if self._status.status is Status.CONNECTED else self._status.read(data)
        if len(rest) < len(data):
            self._tunnel.consume(self._stream_id, len(data) - len(rest))
        if self._status.status is Status.CONNECTED and not self.connected.done():
            self.connected.set_result(None)
        if rest:
            super().stream_data(rest)

    def stream_finished(self) -> None:
        """Fail if the stream ends before it was connected."""
        self._fail(self._status.error)
        super().stream_finished()

    def stream_reset(self) -> None:
        """Fail if the stream was never connected, and close the socket."""
        self._fail(StreamRefusedError(Status.FAILED, "the tunnel ended"))
        super().stream_reset()

    def _fail(self, error: StreamRefusedError) -> None:
        if not self.connected.done():
            self.connected.set_exception(error)
