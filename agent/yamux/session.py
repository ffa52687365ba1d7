"""The state of one yamux connection: bytes in, events and bytes out.

The owner calls :meth:`Session.receive` with what arrived, acts on :meth:`Session.drain_events`, and
writes what :meth:`Session.take_output` returns when its connection can take more. Nothing here
waits, and what a peer can make a session hold is bounded by :class:`~agent.yamux.limits.Limits`.

Either side closes a stream in two ways. ``finish`` ends the own direction after what is queued
(FIN). ``reset`` ends both directions immediately (RST): what is queued or unread is dropped, and
data that is still on its way is ignored.
"""

from agent.yamux.control_queue import ControlQueue
from agent.yamux.events import (
    DataReceived,
    Event,
    PeerLeaves,
    PingAnswered,
    StreamAccepted,
    StreamFinished,
    StreamOpened,
    StreamReset,
    StreamWritable,
)
from agent.yamux.frames import (
    HEADER_BYTES,
    Flags,
    FrameReader,
    FrameType,
    GoAwayCode,
    Header,
    ProtocolError,
    encode_header,
)
from agent.yamux.limits import Limits
from agent.yamux.stream import Stream

MAX_STREAM_ID = 2**32 - 1


class CannotOpenError(Exception):
    """No stream can be opened: the peer leaves, or the numbers of streams are used up."""


class Session:
    """One side of a connection. The side that connected is the ``client``.

    ``now`` is the time in seconds of a monotonic clock, and ``round_trip`` the last measured one.
    """

    def __init__(self, *, client: bool, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self.reader = FrameReader()
        self._streams: dict[int, Stream] = {}
        self._next_id = 1 if client else 2
        self._remote_parity = 0 if client else 1
        self._last_remote = 0
        self._remote_streams = 0
        self._grown = 0
        self._control = ControlQueue(self._limits.control)
        self._ready: dict[int, Stream] = {}
        self._events: list[Event] = []
        self._ended: list[int] = []
        self._payload_of: tuple[Stream | None, Flags, int] = (None, Flags.NONE, 0)
        self._pings: dict[int, float] = {}
        self._ping_id = 0
        self._leaving = self._peer_leaves = False
        self.round_trip = 0.0

    @property
    def streams(self) -> int:
        """Return the number of open streams."""
        return len(self._streams)

    @property
    def has_output(self) -> bool:
        """Return whether :meth:`take_output` would return something."""
        return bool(self._control or self._ready)

    def receive(self, data: bytes | memoryview, now: float) -> None:
        """Process received bytes. They are not kept.

        Raises:
            ProtocolError: the session is unusable. Send ``go_away`` and close the connection.
        """
        for part in self.reader.read(data):
            if isinstance(part, Header):
                self._receive_header(part, now)
            else:
                self._receive_payload(part)

    def drain_events(self) -> list[Event]:
        """Return the events since the last call."""
        events, self._events = self._events, []
        return events

    def drain_ended(self) -> list[int]:
        """Return the ids of the streams that have ended since the last call, in either way."""
        ended, self._ended = self._ended, []
        return ended

    def open(self) -> int:
        """Open a stream and return its id. Raises CannotOpenError."""
        if self._peer_leaves or self._leaving or self._next_id > MAX_STREAM_ID:
            raise CannotOpenError("the connection accepts no more streams")
        stream = Stream(self._next_id, remote=False, opening=True)
        self._next_id += 2
        self._streams[stream.stream_id] = stream
        self._control.add(FrameType.WINDOW_UPDATE, Flags.SYN, stream.stream_id)
        return stream.stream_id

    def room(self, stream_id: int) -> int:
        """Return how many bytes :meth:`send` should be given now; 0 for an ended stream."""
        stream = self._streams.get(stream_id)
        if stream is None or stream.finishing:
            return 0
        room = self._limits.queue - stream.outgoing.size
        if room <= 0:
            stream.full = True
        return max(0, room)

    def send(self, stream_id: int, data: bytes) -> None:
        """Queue bytes. Bytes for a stream that has ended are dropped."""
        stream = self._streams.get(stream_id)
        if stream is None or stream.finishing:
            return
        stream.outgoing.add(data)
        self._schedule(stream)

    def finish(self, stream_id: int) -> None:
        """Send FIN after what is queued."""
        stream = self._streams.get(stream_id)
        if stream is not None and not stream.finishing:
            stream.finishing = True
            self._schedule(stream)

    def reset(self, stream_id: int) -> None:
        """End a stream immediately."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._control.add(FrameType.WINDOW_UPDATE, Flags.RST, stream_id)
            self._remove(stream)

    def consume(self, stream_id: int, size: int, now: float) -> None:
        """Count bytes of ``DataReceived`` as passed on, so that the peer may send more."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        window = stream.incoming
        window.consume(size)
        if stream.ended:
            self._remove(stream)
        elif not stream.received_fin and (credit := window.credit):
            growth = 0
            if window.keeps_up(now, self.round_trip):
                left = self._limits.all_windows - self._grown
                growth = max(0, min(window.size, self._limits.window - window.size, left))
            self._grown += growth
            window.grant(credit, growth, now)
            self._control.add(FrameType.WINDOW_UPDATE, Flags.NONE, stream_id, credit + growth)

    def ping(self, now: float) -> None:
        """Send a ping, unless the last one is unanswered."""
        if not self._pings:
            self._ping_id = (self._ping_id + 1) % 2**32
            self._pings[self._ping_id] = now
            self._control.add(FrameType.PING, Flags.SYN, 0, self._ping_id)

    def go_away(self, code: GoAwayCode = GoAwayCode.NORMAL) -> None:
        """Accept no more streams, and announce it to the peer. Open streams go on."""
        if not self._leaving:
            self._leaving = True
            self._control.add(FrameType.GO_AWAY, Flags.NONE, 0, code)

    def take_output(self, most: int) -> list[bytes | memoryview]:
        """Return bytes to write, about ``most``: frames of control, then one frame per stream."""
        output: list[bytes | memoryview] = []
        taken = self._control.take(most, output)
        while self._ready and taken < most:
            stream = next(iter(self._ready.values()))
            del self._ready[stream.stream_id]
            taken += self._take_frame(stream, output)
        return output

    def _take_frame(self, stream: Stream, output: list[bytes | memoryview]) -> int:
        """Append one frame of a stream. Return its size."""
        pieces = stream.outgoing.take(self._limits.frame)
        size = sum(map(len, pieces))
        # FIN has a frame of its own, as Go's yamux sends it: that one reads the flags of a frame
        # before its data, and a reader that wakes up in between would lose the data.
        flags = Flags.NONE
        if not pieces:
            flags, stream.sent_fin = Flags.FIN, True
        output.append(encode_header(Header(FrameType.DATA, flags, stream.stream_id, size)))
        output += pieces
        if stream.full and stream.outgoing.size * 2 <= self._limits.queue:
            stream.full = False
            self._events.append(StreamWritable(stream.stream_id))
        if stream.ended:
            self._remove(stream)
        else:
            self._schedule(stream)
        return HEADER_BYTES + size

    def _receive_header(self, header: Header, now: float) -> None:
        if header.type is FrameType.PING:
            self._receive_ping(header, now)
        elif header.type is FrameType.GO_AWAY:
            self._peer_leaves = True
            self._events.append(PeerLeaves(header.length))
        else:
            stream = self._stream_of(header)
            if header.type is FrameType.WINDOW_UPDATE:
                self._receive_window_update(stream, header)
            else:
                self._receive_data_header(stream, header)

    def _stream_of(self, header: Header) -> Stream | None:
        """Return the stream of a frame, opened if the frame does that. None: it has ended."""
        stream_id = header.stream_id
        remote = stream_id % 2 == self._remote_parity
        if header.flags & Flags.SYN:
            # The order of numbers is free: hashicorp/yamux takes a number before it may send.
            if not remote or stream_id in self._streams:
                raise ProtocolError(f"stream {stream_id} is opened twice, or by the wrong side")
            self._last_remote = max(self._last_remote, stream_id)
            return self._accept(stream_id)
        known = self._last_remote if remote else self._next_id - 2
        if stream_id > known:
            raise ProtocolError(f"a frame is for stream {stream_id}, which was never opened")
        return self._streams.get(stream_id)

    def _accept(self, stream_id: int) -> Stream | None:
        if self._leaving or self._remote_streams >= self._limits.remote_streams:
            self._control.answer(FrameType.WINDOW_UPDATE, Flags.RST, stream_id)
            return None
        stream = self._streams[stream_id] = Stream(stream_id, remote=True)
        self._remote_streams += 1
        self._control.answer(FrameType.WINDOW_UPDATE, Flags.ACK, stream_id)
        self._events.append(StreamOpened(stream_id))
        return stream

    def _receive_window_update(self, stream: Stream | None, header: Header) -> None:
        if stream is None:
            return
        stream.outgoing.widen(header.length)
        self._apply_flags(stream, header.flags)
        self._schedule(stream)

    def _receive_data_header(self, stream: Stream | None, header: Header) -> None:
        if stream is not None:
            if stream.received_fin and header.length:
                raise ProtocolError("data after the end of its stream")
            stream.incoming.receive(header.length)
        if header.length:
            self._payload_of = (stream, header.flags, header.length)
        elif stream is not None:
            self._apply_flags(stream, header.flags)

    def _receive_payload(self, piece: memoryview) -> None:
        stream, flags, left = self._payload_of
        left -= len(piece)
        self._payload_of = (stream, flags, left)
        if stream is None or stream.stream_id not in self._streams:
            return  # ended meanwhile
        self._events.append(DataReceived(stream.stream_id, bytes(piece)))
        if not left:
            self._apply_flags(stream, flags)

    def _apply_flags(self, stream: Stream, flags: Flags) -> None:
        if flags & Flags.ACK and stream.opening:
            stream.opening = False
            self._events.append(StreamAccepted(stream.stream_id))
        if flags & Flags.RST:
            self._events.append(StreamReset(stream.stream_id))
            self._remove(stream)
        elif flags & Flags.FIN and not stream.received_fin:
            stream.received_fin = True
            self._events.append(StreamFinished(stream.stream_id))
            if stream.ended:
                self._remove(stream)

    def _receive_ping(self, header: Header, now: float) -> None:
        if header.flags & Flags.SYN:
            self._control.answer(FrameType.PING, Flags.ACK, 0, header.length)
        elif (sent := self._pings.pop(header.length, None)) is not None:
            self.round_trip = max(0.0, now - sent)
            self._events.append(PingAnswered(self.round_trip))

    def _schedule(self, stream: Stream) -> None:
        if stream.sendable and stream.stream_id in self._streams:
            self._ready[stream.stream_id] = stream

    def _remove(self, stream: Stream) -> None:
        if self._streams.pop(stream.stream_id, None) is None:
            return
        self._ended.append(stream.stream_id)
        self._ready.pop(stream.stream_id, None)
        self._grown -= stream.incoming.growth
        self._remote_streams -= stream.remote
