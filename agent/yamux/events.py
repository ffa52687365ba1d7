"""Events of a session, in the order in which they happened at the peer."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """The peer opened a stream."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class StreamAccepted:
    """The peer acknowledged a stream that this side opened."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class DataReceived:
    """Bytes of a stream. Call ``Session.consume`` when they have been passed on."""

    stream_id: int
    data: bytes


@dataclass(frozen=True, slots=True)
class StreamFinished:
    """The peer sends nothing more on a stream, and may still receive."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class StreamReset:
    """The stream has ended. Bytes in either direction may be lost."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class StreamWritable:
    """The queue of a stream has room again; see ``Session.room``."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class PingAnswered:
    """The peer answered a ping. ``seconds`` is the round-trip time."""

    seconds: float


@dataclass(frozen=True, slots=True)
class PeerLeaves:
    """The peer accepts no more streams. ``code`` is 0 for a normal end."""

    code: int


Event = (
    StreamOpened
    | StreamAccepted
    | DataReceived
    | StreamFinished
    | StreamReset
    | StreamWritable
    | PingAnswered
    | PeerLeaves
)
