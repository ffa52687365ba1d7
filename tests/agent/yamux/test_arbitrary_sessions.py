"""Arbitrary bytes, frames, and conversations: no other error, no lost byte, no stream left."""

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.yamux.events import (
    DataReceived,
    Event,
    StreamOpened,
)
from agent.yamux.frames import Flags, FrameType, ProtocolError
from agent.yamux.session import Session
from tests.agent.yamux.frame_bytes import frame
from tests.agent.yamux.two_sessions import Pair


@given(st.binary(max_size=200), st.booleans())
@settings(max_examples=300)
def test_arbitrary_bytes_raise_nothing_but_protocol_error(data: bytes, client: bool) -> None:
    session = Session(client=client)
    try:
        session.receive(data, 0)
    except ProtocolError:
        pass
    session.drain_events()
    session.take_output(1 << 20)


_HEADERS = st.builds(
    lambda kind, flags, stream, length: frame(FrameType(kind), Flags(flags), stream, length),
    st.integers(0, 3),
    st.integers(0, 15),
    st.integers(0, 5),
    st.integers(0, 8),
)


@given(st.lists(_HEADERS, max_size=30))
@settings(max_examples=300)
def test_arbitrary_frames_raise_nothing_but_protocol_error(frames: list[bytes]) -> None:
    session = Session(client=False)
    try:
        session.receive(b"".join(frames), 0)
    except ProtocolError:
        return
    session.take_output(1 << 20)
    opened = sum(isinstance(one, StreamOpened) for one in session.drain_events())
    assert session.streams <= opened


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["open", "send", "finish", "reset", "consume", "deliver"]),
        st.booleans(),
        st.integers(0, 5),
        st.integers(1, 100_000),
    ),
    max_size=60,
)


class _Run:
    """A random conversation, and what must hold of it."""

    def __init__(self) -> None:
        self.pair = Pair()
        self.opened: list[int] = []
        self.sent: dict[tuple[bool, int], int] = {}
        self.got: dict[tuple[bool, int], int] = {}
        self.touched: set[int] = set()

    def step(self, what: str, by_client: bool, which: int, size: int) -> None:
        side = self.pair.client if by_client else self.pair.server
        if what == "open":
            self.opened.append(side.open())
            self.deliver()
        elif what == "deliver":
            self.deliver()
        elif self.opened:
            stream = self.opened[which % len(self.opened)]
            if what == "send":
                size = min(size, side.room(stream))
                side.send(stream, bytes(size))
                key = (by_client, stream)
                self.sent[key] = self.sent.get(key, 0) + size
            elif what == "consume":
                side.consume(stream, size, self.pair.now)
            else:
                self.touched |= {stream} if what == "reset" else set()
                getattr(side, what)(stream)

    def deliver(self) -> None:
        for by_client, events in zip((False, True), self.pair.exchange(4096), strict=True):
            self.count(by_client, events)

    def count(self, sender_is_client: bool, events: list[Event]) -> None:
        for one in events:
            if isinstance(one, DataReceived):
                key = (sender_is_client, one.stream_id)
                self.got[key] = self.got.get(key, 0) + len(one.data)

    def end(self) -> None:
        """Read everything and close every stream."""
        for stream in self.opened:
            for side in (self.pair.client, self.pair.server):
                side.finish(stream)
        for _ in range(12):
            self.deliver()
            for stream in self.opened:
                for side in (self.pair.client, self.pair.server):
                    side.consume(stream, 1 << 20, self.pair.now)


@given(_STEPS)
@settings(max_examples=150)
def test_random_conversation_loses_no_byte_and_leaves_no_stream(
    steps: list[tuple[str, bool, int, int]],
) -> None:
    run = _Run()
    for step in steps:
        run.step(*step)
    run.end()
    assert (run.pair.client.streams, run.pair.server.streams) == (0, 0)
    for (by_client, stream), size in run.sent.items():
        got = run.got.get((by_client, stream), 0)
        assert got <= size
        if stream not in run.touched:
            assert got == size
