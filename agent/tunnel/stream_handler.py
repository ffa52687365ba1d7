"""What handles the events of one stream of a tunnel."""

from typing import Protocol

from agent.yamux.events import DataReceived, StreamAccepted, StreamFinished, StreamWritable


class StreamHandler(Protocol):
    """Handles the events of one stream."""

    def stream_data(self, data: bytes) -> None:
        """Handle received bytes. Call ``consume`` when they were passed on."""

    def stream_finished(self) -> None:
        """Handle the end of the received bytes."""

    def stream_reset(self) -> None:
        """Handle the end of the stream in both directions. No other call follows."""

    def stream_writable(self) -> None:
        """Continue to send: the queue of the stream has room."""


def deliver(
    handler: StreamHandler, event: DataReceived | StreamFinished | StreamWritable | StreamAccepted
) -> None:
    """Call the method of the handler for an event."""
    if isinstance(event, DataReceived):
        handler.stream_data(event.data)
    elif isinstance(event, StreamFinished):
        handler.stream_finished()
    elif isinstance(event, StreamWritable):
        handler.stream_writable()
