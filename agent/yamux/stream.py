"""One stream of a session: its windows and its queue."""

from collections import deque
from dataclasses import dataclass, field

from agent.yamux.frames import ProtocolError
from agent.yamux.limits import INITIAL_WINDOW

MAX_WINDOW = 2**32 - 1
"""Windows are numbers of 32 bits. More credit than that is an overflow."""


@dataclass(slots=True)
class ReceiveWindow:
    """What the peer may still send, and when it gets more.

    ``size`` is the window's full size, ``left`` what the peer may send now, and ``unread`` what was
    received and not consumed. Credit is returned when half of the window was consumed, so that
    small reads cause no frame each.
    """

    size: int = INITIAL_WINDOW
    left: int = INITIAL_WINDOW
    unread: int = 0
    updated: float = 0.0

    def receive(self, size: int) -> None:
        """Count received bytes. Raises ProtocolError if the peer had no credit for them."""
        if size > self.left:
            raise ProtocolError("data over the window of its stream")
        self.left -= size
        self.unread += size

    def consume(self, size: int) -> None:
        """Count bytes that were passed on."""
        self.unread -= min(size, self.unread)

    @property
    def growth(self) -> int:
        """Return by how much the window has grown."""
        return self.size - INITIAL_WINDOW

    @property
    def credit(self) -> int:
        """Return the credit that is due: the consumed part, if it is half of the window."""
        consumed = self.size - self.left - self.unread
        return consumed if consumed * 2 >= self.size else 0

    def keeps_up(self, now: float, round_trip: float) -> bool:
        """Return whether the window limits the throughput.

        A window that was consumed within two round trips is smaller than the product of bandwidth
        and delay.
        """
        return now - self.updated < 2 * round_trip

    def grant(self, credit: int, growth: int, now: float) -> None:
        """Give the peer ``credit`` and ``growth`` bytes more."""
        self.size += growth
        self.left += credit + growth
        self.updated = now


@dataclass(slots=True)
class SendQueue:
    """Bytes to send on one stream, and the credit that the peer gave for them."""

    window: int = INITIAL_WINDOW
    size: int = 0
    pieces: deque[memoryview] = field(default_factory=deque)

    def add(self, data: bytes) -> None:
        """Queue bytes."""
        if data:
            self.pieces.append(memoryview(data))
            self.size += len(data)

    def widen(self, credit: int) -> None:
        """Add credit. Raises ProtocolError if the window overflows."""
        if self.window + credit > MAX_WINDOW:
            raise ProtocolError("a window update overflows the window of its stream")
        self.window += credit

    def take(self, most: int) -> list[memoryview]:
        """Return queued pieces of at most ``most`` bytes that the window allows."""
        left = min(most, self.window, self.size)
        self.window -= left
        self.size -= left
        taken = []
        while left:
            piece = self.pieces[0]
            if len(piece) <= left:
                self.pieces.popleft()
            else:
                piece, self.pieces[0] = piece[:left], piece[left:]
            taken.append(piece)
            left -= len(piece)
        return taken


@dataclass(slots=True)
class Stream:
    """The state of a stream. It is gone when both directions have ended, or after a reset.

    ``finishing``: this side sends FIN after what is queued. ``sent_fin`` and ``received_fin`` are
    the ended directions. ``full``: the queue had no room, so that ``StreamWritable`` is due.
    """

    stream_id: int
    remote: bool
    incoming: ReceiveWindow = field(default_factory=ReceiveWindow)
    outgoing: SendQueue = field(default_factory=SendQueue)
    opening: bool = False
    finishing: bool = False
    sent_fin: bool = False
    received_fin: bool = False
    full: bool = False

    @property
    def ended(self) -> bool:
        """Return whether both directions have ended and everything was consumed."""
        return self.sent_fin and self.received_fin and not self.incoming.unread

    @property
    def sendable(self) -> bool:
        """Return whether a frame can be sent now."""
        if self.sent_fin:
            return False
        return bool(self.outgoing.size and self.outgoing.window) or (
            self.finishing and not self.outgoing.size
        )
