"""The agent's end of a stream, which begins with the outcome of its connection."""

import asyncio

from agent.tunnel.connection import TunnelConnection
from agent.tunnel.status import Status, encode_status
from agent.tunnel.stream_end import StreamEnd


class RelayedStream(StreamEnd):
    """A stream that is joined with a connection to the API server, once that exists.

    ``connecting`` makes that connection, and ends with the stream.
    """

    def __init__(self, tunnel: TunnelConnection, stream_id: int) -> None:
        super().__init__(tunnel, half_close=True)
        self.attach(stream_id)
        self.connecting: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Report the connection ahead of all bytes that it will bring."""
        self._tunnel.send(self._stream_id, encode_status(Status.CONNECTED))
        super().connection_made(transport)

    def stream_reset(self) -> None:
        """Stop connecting, and close the connection."""
        if self.connecting is not None:
            self.connecting.cancel()
        super().stream_reset()

    def refuse(self, status: Status, reason: str) -> None:
        """Report that there is no connection, and end the stream."""
        self._tunnel.send(self._stream_id, encode_status(status, reason))
        self._tunnel.finish(self._stream_id)
