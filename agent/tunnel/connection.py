"""One connection between an agent and a server: yamux inside WebSocket frames.

Reading never waits for writing: what a peer causes to be written is bounded by the session, and a
stream whose reader is slow stops only its own sender (its window). Output is taken from the session
as the transport drains, so that a stream never waits behind more than a few frames of others.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from agent.tunnel.frame_rate import FrameRate
from agent.tunnel.read_buffer import read_buffer
from agent.tunnel.read_pace import ReadPace
from agent.tunnel.stream_handler import StreamHandler, deliver
from agent.tunnel.timing import TunnelTiming
from agent.websocket.codec import (
    Close,
    CloseCode,
    Decoder,
    Opcode,
    Payload,
    Ping,
    WebSocketError,
    encode,
    encode_close,
)
from agent.yamux.events import (
    DataReceived,
    Event,
    PeerLeaves,
    StreamAccepted,
    StreamFinished,
    StreamOpened,
    StreamReset,
    StreamWritable,
)
from agent.yamux.frames import GoAwayCode, ProtocolError
from agent.yamux.limits import Limits
from agent.yamux.session import Session

HIGH_WATER = 64 * 1024
"""Bytes that may wait in the transport. More would delay small frames of other streams."""


class TunnelConnection(asyncio.BufferedProtocol):
    """A tunnel on an upgraded connection. ``client`` is the side that connected: the agent.

    ``accept`` returns the handler of a stream that the peer opened. ``lost`` is called once, with
    the reason, when the tunnel has ended. ``leaves`` is called when the peer accepts no more
    streams. ``rate`` limits the frames that are read. ``awaits``: bytes were sent since the last
    ones arrived.
    """

    def __init__(
        self,
        *,
        client: bool,
        accept: Callable[[int], StreamHandler],
        lost: Callable[[str], None],
        leaves: Callable[[], None] = lambda: None,
        limits: Limits | None = None,
        timing: TunnelTiming | None = None,
        rate: FrameRate | None = None,
    ) -> None:
        self.session = Session(client=client, limits=limits)
        self.timing = timing or TunnelTiming()
        self.peer_leaves = self.awaits = False
        self.bytes_in = self.bytes_out = 0
        self._masked = client
        self._quiet = self.timing.ping * (1.0 if client else 1.2)
        self._decoder = Decoder(masked=not client)
        self._accept = accept
        self._lost = lost
        self._leaves = leaves
        self._handlers: dict[int, StreamHandler] = {}
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._pace = ReadPace(rate)
        self._pong: bytes | None = None
        self._paused = self._flushing = False
        self._dispatching = 0
        self._last_byte = self._pinged_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._reason = ""

    @property
    def streams(self) -> int:
        """Return the number of open streams."""
        return self.session.streams

    @property
    def round_trip(self) -> float:
        """Return the last measured round-trip time in seconds; 0 before the first."""
        return self.session.round_trip

    @property
    def silent_for(self) -> float:
        """Return for how many seconds no byte has arrived."""
        return self._loop.time() - self._last_byte

    @property
    def usable(self) -> bool:
        """Return whether streams can be opened."""
        return self._transport is not None and not self._reason and not self.peer_leaves

    def open(self, handler: StreamHandler) -> int:
        """Open a stream and return its id. Raises CannotOpenError."""
        stream_id = self.session.open()
        self._handlers[stream_id] = handler
        self.flush()
        return stream_id

    def send(self, stream_id: int, data: bytes) -> int:
        """Queue bytes on a stream. Return how many more should be sent now."""
        self.session.send(stream_id, data)
        self.flush()
        return self.session.room(stream_id)

    def consume(self, stream_id: int, size: int) -> None:
        """Count received bytes of a stream as passed on."""
        self.session.consume(stream_id, size, self._loop.time())
        self.flush()

    def finish(self, stream_id: int) -> None:
        """Send nothing more on a stream."""
        self.session.finish(stream_id)
        self.flush()

    def reset(self, stream_id: int) -> None:
        """End a stream in both directions. Its handler is not called again."""
        self._handlers.pop(stream_id, None)
        self.session.reset(stream_id)
        self.flush()

    def count(self, frames: int) -> None:
        """Count what the bytes of the peer cost beside their frames, as so many frames."""
        self._pace.count(frames)

    def ping(self) -> None:
        """Send a ping, unless the last one is unanswered."""
        self._pinged_at = self._loop.time()
        self.session.ping(self._pinged_at)
        self.flush()

    def leave(self) -> None:
        """Accept no more streams. Open ones continue."""
        self.session.go_away()
        self.flush()

    def close(self, reason: str, code: CloseCode = CloseCode.NORMAL) -> None:
        """End the tunnel and all its streams."""
        if self._transport is None or self._reason:
            return
        self._reason = reason
        self._transport.write(encode_close(code, reason, masked=self._masked))
        self._transport.close()
        # A peer that reads nothing would keep the transport open.
        self._loop.call_later(self.timing.linger, self._abort)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to use a transport."""
        # No isinstance check: uvloop's transports have no class of asyncio.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(HIGH_WATER)
        self._last_byte = self._loop.time()
        self._timer = self._loop.call_later(self._quiet, self._on_timer)
        self.ping()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return a buffer for the next read."""
        return read_buffer()[: self._pace.read_bytes]

    def buffer_updated(self, nbytes: int) -> None:
        """Process bytes in the buffer."""
        self.data_received(read_buffer()[:nbytes])

    def data_received(self, data: bytes | memoryview) -> None:
        """Process bytes of the peer. They are not kept."""
        if self._reason:
            return
        self._last_byte = self._loop.time()
        self.bytes_in += len(data)
        self.awaits = False
        try:
            for frame in self._decoder.decode(data):
                if isinstance(frame, Payload):
                    self.session.receive(frame.data, self._last_byte)
                elif isinstance(frame, Ping):
                    self._pong = frame.data  # The last of several is enough (RFC 6455 §5.5.3).
                elif isinstance(frame, Close):
                    self.close(f"the peer closed: {frame.code} {frame.reason}".rstrip())
        except WebSocketError as exc:
            self.close(str(exc), exc.code)
        except ProtocolError as exc:
            self._dispatch()  # What preceded the error counts.
            self.session.go_away(GoAwayCode.PROTOCOL_ERROR)
            self.flush()
            self.close(str(exc), CloseCode.PROTOCOL_ERROR)
        else:
            self._dispatch()
            self.flush()
            if self._transport is not None:
                frames = self._decoder.frames + self.session.reader.frames
                self._pace.after_read(self._transport, len(data), frames)

    def pause_writing(self) -> None:
        """Stop writing: the transport's buffer is full."""
        self._paused = True

    def resume_writing(self) -> None:
        """Continue writing."""
        self._paused = False
        self.flush()

    def eof_received(self) -> None:
        """Let the transport close."""

    def connection_lost(self, exc: Exception | None) -> None:
        """End all streams."""
        self._transport = None
        self._pace.end()
        if self._timer is not None:
            self._timer.cancel()
        handlers, self._handlers = list(self._handlers.values()), {}
        for handler in handlers:
            handler.stream_reset()
        self._reason = self._reason or str(exc or "the connection ended")
        self._lost(self._reason)

    def flush(self) -> None:
        """Write what can be written now, and deliver the events that this causes."""
        if self._flushing:
            return  # a handler called this during an event
        self._flushing = True
        try:
            if self._pong is not None and not self._paused:
                self._write(encode(Opcode.PONG, self._pong, masked=self._masked))
                self._pong = None
            while not self._paused and self.session.has_output and self._transport is not None:
                parts = self.session.take_output(HIGH_WATER)
                self._write(encode(Opcode.BINARY, *parts, masked=self._masked))
                self._dispatch()
        finally:
            self._flushing = False

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._reason:
            self.bytes_out += len(data)
            self.awaits = True
            self._transport.write(data)

    def _dispatch(self) -> None:
        self._dispatching += 1
        try:
            for event in self.session.drain_events():
                self._handle(event)
        finally:
            self._dispatching -= 1
        # A handler may cause events while it handles one: others then follow for its stream.
        if not self._dispatching:
            for stream_id in self.session.drain_ended():
                self._handlers.pop(stream_id, None)

    def _handle(self, event: Event) -> None:
        if isinstance(event, StreamOpened):
            self._handlers[event.stream_id] = self._accept(event.stream_id)
        elif isinstance(event, PeerLeaves):
            self.peer_leaves = True
            self._leaves()
        elif isinstance(event, StreamReset):
            if (handler := self._handlers.pop(event.stream_id, None)) is not None:
                handler.stream_reset()
        elif isinstance(event, DataReceived | StreamFinished | StreamWritable | StreamAccepted):
            handler = self._handlers.get(event.stream_id)
            if handler is not None:
                deliver(handler, event)

    def _on_timer(self) -> None:
        remaining = self._quiet - (silent := self.silent_for)
        if silent >= self.timing.silence:
            self._reason = f"nothing arrived for {self.timing.silence:g} s"
            self._abort()
            return
        if remaining <= 0 or self._loop.time() - self._pinged_at >= self.timing.measure:
            self.ping()
            remaining = min(self._quiet, self.timing.silence - silent)
        self._timer = self._loop.call_later(remaining, self._on_timer)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
