"""The control stream of a tunnel: the stream that the agent opens first.

What arrives is bounded by :mod:`agent.tunnel.control`. A peer that breaks those bounds loses the
tunnel, and so does one that ends this stream: it lasts as long as the tunnel.
"""

from collections.abc import Callable

from agent.tunnel.connection import TunnelConnection
from agent.tunnel.control import ControlError, ControlReader, Message, encode
from agent.websocket.codec import CloseCode


class ControlStream:
    """Sends messages, and passes received ones to ``received``.

    ``stream_id`` is the stream that the peer opened; the agent opens it itself.
    """

    def __init__(
        self, tunnel: TunnelConnection, received: Callable[[Message], None], stream_id: int = 0
    ) -> None:
        self._tunnel = tunnel
        self._received = received
        self._reader = ControlReader()
        self._stream_id = stream_id

    def open(self) -> None:
        """Open the stream, as the agent. Raises CannotOpenError."""
        self._stream_id = self._tunnel.open(self)

    def send(self, message: Message) -> None:
        """Send a message."""
        self._tunnel.send(self._stream_id, encode(message))

    def stream_data(self, data: bytes) -> None:
        """Read messages."""
        self._tunnel.consume(self._stream_id, len(data))
        try:
            for message in self._reader.read(data):
                self._received(message)
        except ControlError as exc:
            self._tunnel.close(f"control stream: {exc}", CloseCode.PROTOCOL_ERROR)

    def stream_finished(self) -> None:
        """End the tunnel."""
        self._tunnel.close("the peer ended the control stream", CloseCode.PROTOCOL_ERROR)

    def stream_reset(self) -> None:
        """End the tunnel."""
        self._tunnel.close("the peer reset the control stream", CloseCode.PROTOCOL_ERROR)

    def stream_writable(self) -> None:
        """Do nothing: messages are few and small."""
