"""Receive windows grow while they limit the throughput, and only then, within their bounds."""

from collections import deque
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.yamux.events import DataReceived
from agent.yamux.limits import INITIAL_WINDOW, Limits
from agent.yamux.session import Session

STEP = 0.005
BYTES_PER_STEP = 1024 * 1024
"""The network of these tests carries 200 MiB/s."""


@dataclass
class Network:
    """A sender and a receiver with ``delay`` seconds between them, and a clock of their own."""

    delay: float
    limits: Limits = field(default_factory=Limits)
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.sender = Session(client=True, limits=self.limits)
        self.receiver = Session(client=False, limits=self.limits)
        self._on_way: dict[Session, deque[tuple[float, bytes]]] = {
            self.sender: deque(),
            self.receiver: deque(),
        }
        self.receiver.ping(self.now)
        self.waiting: dict[int, int] = {}
        self._most = 0

    @property
    def most_unread(self) -> int:
        """The most bytes that the receiver held, over all streams."""
        return self._most

    def run(self, seconds: float, streams: list[int], rate: float = float("inf")) -> int:
        """Send on ``streams`` for so long. Return the bytes that were read.

        ``rate``: how many bytes per second the reader of each stream reads.
        """
        read = 0
        for _ in range(round(seconds / STEP)):
            self.now += STEP
            self._deliver(self.receiver)
            self._deliver(self.sender)
            self._most = max(self._most, sum(self.waiting.values()))
            for stream in streams:
                size = int(min(self.waiting.get(stream, 0), rate * STEP))
                self.waiting[stream] = self.waiting.get(stream, 0) - size
                read += size
                self.receiver.consume(stream, size, self.now)
            self._send(self.sender, self.receiver, streams)
            self._send(self.receiver, self.sender, [])
        return read

    def _deliver(self, side: Session) -> None:
        on_way = self._on_way[side]
        while on_way and on_way[0][0] <= self.now:
            side.receive(on_way.popleft()[1], self.now)
        for event in side.drain_events():
            if isinstance(event, DataReceived):
                at = event.stream_id
                self.waiting[at] = self.waiting.get(at, 0) + len(event.data)

    def _send(self, side: Session, other: Session, streams: list[int]) -> None:
        left = BYTES_PER_STEP
        while left > 0:
            for stream in streams:
                side.send(stream, bytes(side.room(stream)))
            data = b"".join(side.take_output(64 * 1024))
            if not data:
                return
            left -= len(data)
            self._on_way[other].append((self.now + self.delay, data))


def test_stream_reaches_ten_megabytes_per_second_at_a_round_trip_of_100_ms() -> None:
    network = Network(delay=0.05)
    stream = network.sender.open()
    network.run(3, [stream])
    assert network.run(3, [stream]) >= 3 * 10_000_000


def test_window_of_a_slow_reader_does_not_grow() -> None:
    network = Network(delay=0.05)
    stream = network.sender.open()
    network.run(10, [stream], rate=500_000)
    assert network.most_unread <= INITIAL_WINDOW


def test_window_returns_to_the_pool_when_its_stream_ends() -> None:
    limits = Limits(all_windows=INITIAL_WINDOW * 3)
    network = Network(delay=0.05, limits=limits)
    for _ in range(3):
        stream = network.sender.open()
        network.run(2, [stream])
        slow = network.run(1, [stream])
        assert slow > 2 * INITIAL_WINDOW * 5, "the window has grown each time"
        network.receiver.reset(stream)
        network.run(0.5, [])


@given(
    st.floats(0.0, 0.2),
    st.lists(st.floats(0, 20_000_000), min_size=1, max_size=6),
    st.integers(0, 8),
    st.integers(0, 3),
)
@settings(max_examples=25)
def test_unread_bytes_never_exceed_the_bounds_and_none_is_lost(
    delay: float, rates: list[float], together: int, doublings: int
) -> None:
    limits = Limits(window=INITIAL_WINDOW << doublings, all_windows=INITIAL_WINDOW * together)
    network = Network(delay=delay, limits=limits)
    streams = [network.sender.open() for _ in rates]
    for _ in range(4):
        for stream, rate in zip(streams, rates, strict=True):
            network.run(0.1, [stream], rate)
    # A sender that is over a window is a protocol error, which the sessions would have raised.
    assert network.most_unread <= INITIAL_WINDOW * len(streams) + limits.all_windows
    for stream in streams:
        assert network.waiting.get(stream, 0) <= limits.window
