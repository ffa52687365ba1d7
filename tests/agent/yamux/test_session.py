"""A session keeps its streams apart, and bounds what a peer can cause."""

import pytest

from agent.yamux.events import (
    DataReceived,
    PeerLeaves,
    PingAnswered,
    StreamAccepted,
    StreamFinished,
    StreamOpened,
    StreamReset,
    StreamWritable,
)
from agent.yamux.frames import Flags, FrameType, GoAwayCode, ProtocolError
from agent.yamux.limits import INITIAL_WINDOW, Limits
from agent.yamux.session import CannotOpenError, Session
from tests.agent.yamux.frame_bytes import frame
from tests.agent.yamux.two_sessions import Pair, received


def test_streams_of_both_sides_have_their_own_numbers() -> None:
    pair = Pair()
    assert [pair.client.open(), pair.client.open(), pair.server.open()] == [1, 3, 2]
    of_client, of_server = pair.exchange()
    assert of_server[:2] == [StreamOpened(1), StreamOpened(3)]
    assert StreamOpened(2) in of_client
    assert StreamAccepted(1) in of_client
    assert StreamAccepted(2) in of_server


def test_data_arrives_once_and_in_order() -> None:
    pair = Pair()
    first, second = pair.client.open(), pair.client.open()
    pair.client.send(first, b"a" * 50_000)
    pair.client.send(second, b"b" * 50_000)
    _, seen = pair.exchange()
    assert received(seen, first) == b"a" * 50_000
    assert received(seen, second) == b"b" * 50_000
    # In turn: the second stream begins before the first one has ended.
    order = [one.stream_id for one in seen if isinstance(one, DataReceived)]
    assert order[0] == first
    assert order.index(second) < len(order) - 1 - order[::-1].index(first)


def test_sender_stops_at_the_window_until_the_reader_consumes() -> None:
    pair = Pair()
    stream = pair.client.open()
    pair.client.send(stream, b"x" * (INITIAL_WINDOW + 1000))
    _, seen = pair.exchange()
    assert len(received(seen, stream)) == INITIAL_WINDOW
    pair.server.consume(stream, INITIAL_WINDOW, pair.now)
    _, seen = pair.exchange()
    assert len(received(seen, stream)) == 1000


def test_window_grows_while_the_reader_keeps_up_and_no_further_than_allowed() -> None:
    pair = Pair.limited(Limits(window=INITIAL_WINDOW * 4))
    pair.delay = 0.05
    pair.server.ping(pair.now)
    pair.exchange()
    stream = pair.client.open()
    most = 0
    for _ in range(40):
        pair.client.send(stream, b"x" * (INITIAL_WINDOW * 8))
        _, seen = pair.exchange()
        got = len(received(seen, stream))
        most = max(most, got)
        pair.server.consume(stream, got, pair.now)
    assert most == INITIAL_WINDOW * 4


def test_all_windows_together_grow_within_their_bound() -> None:
    limits = Limits(window=INITIAL_WINDOW * 16, all_windows=INITIAL_WINDOW * 2)
    pair = Pair.limited(limits)
    pair.delay = 0.05
    pair.server.ping(pair.now)
    pair.exchange()
    streams = [pair.client.open() for _ in range(8)]
    for _ in range(10):
        for stream in streams:
            pair.client.send(stream, b"x" * INITIAL_WINDOW)
        _, seen = pair.exchange()
        for stream in streams:
            pair.server.consume(stream, len(received(seen, stream)), pair.now)
    pair.exchange()
    for stream in streams:
        pair.client.send(stream, b"x" * (INITIAL_WINDOW * 20))
    _, seen = pair.exchange()
    unread = sum(len(received(seen, stream)) for stream in streams)
    assert unread <= INITIAL_WINDOW * len(streams) + limits.all_windows


def test_data_over_the_window_raises_protocol_error() -> None:
    session = Session(client=False)
    session.receive(frame(FrameType.WINDOW_UPDATE, Flags.SYN, 1), 0)
    with pytest.raises(ProtocolError, match="over the window"):
        session.receive(frame(FrameType.DATA, Flags.NONE, 1, INITIAL_WINDOW + 1), 0)


def test_window_overflow_raises_protocol_error() -> None:
    session = Session(client=False)
    session.receive(frame(FrameType.WINDOW_UPDATE, Flags.SYN, 1), 0)
    with pytest.raises(ProtocolError, match="overflows"):
        session.receive(frame(FrameType.WINDOW_UPDATE, Flags.NONE, 1, 2**32 - 1), 0)


def test_end_of_a_stream_follows_its_data_in_a_frame_of_its_own() -> None:
    """Go's yamux marks a stream as ended before it reads the data of the same frame."""
    session = Session(client=True)
    stream = session.open()
    session.send(stream, b"data")
    session.finish(stream)
    assert b"".join(session.take_output(1 << 20)) == (
        frame(FrameType.WINDOW_UPDATE, Flags.SYN, stream)
        + frame(FrameType.DATA, Flags.NONE, stream, 4)
        + b"data"
        + frame(FrameType.DATA, Flags.FIN, stream)
    )


def test_finished_stream_is_gone_when_both_sides_have_finished_and_read() -> None:
    pair = Pair()
    stream = pair.client.open()
    pair.client.send(stream, b"request")
    pair.client.finish(stream)
    _, seen = pair.exchange()
    assert seen[-1] == StreamFinished(stream)
    pair.server.send(stream, b"answer")
    pair.server.finish(stream)
    seen, _ = pair.exchange()
    assert received(seen, stream) == b"answer"
    pair.server.consume(stream, 7, pair.now)
    pair.client.consume(stream, 6, pair.now)
    assert (pair.client.streams, pair.server.streams) == (0, 0)


def test_reset_ends_the_stream_on_both_sides_and_ignores_data_on_its_way() -> None:
    pair = Pair()
    stream = pair.client.open()
    pair.exchange()
    pair.client.send(stream, b"x" * 1000)
    pair.server.reset(stream)
    seen, of_server = pair.exchange()
    assert StreamReset(stream) in seen
    assert received(of_server, stream) == b""
    assert (pair.client.streams, pair.server.streams) == (0, 0)
    pair.client.send(stream, b"late")
    assert pair.client.room(stream) == 0
    assert not pair.client.has_output


def test_full_queue_reports_when_it_has_room_again() -> None:
    pair = Pair()
    stream = pair.client.open()
    while room := pair.client.room(stream):
        pair.client.send(stream, b"x" * room)
    seen, _ = pair.exchange()
    assert StreamWritable(stream) in seen
    assert pair.client.room(stream) > 0


@pytest.mark.parametrize(
    "frames",
    [
        frame(FrameType.DATA, Flags.NONE, 1),
        frame(FrameType.WINDOW_UPDATE, Flags.SYN, 2),
        frame(FrameType.WINDOW_UPDATE, Flags.SYN, 1) * 2,
        frame(FrameType.DATA, Flags.SYN | Flags.FIN, 1) + frame(FrameType.DATA, Flags.NONE, 1, 1),
    ],
    ids=["never opened", "own number", "opened twice", "after its end"],
)
def test_invalid_sequence_raises_protocol_error(frames: bytes) -> None:
    with pytest.raises(ProtocolError):
        Session(client=False).receive(frames, 0)


def test_streams_opened_in_any_order_of_numbers_are_accepted() -> None:
    session = Session(client=False)
    for number in (5, 1, 3):
        session.receive(frame(FrameType.WINDOW_UPDATE, Flags.SYN, number), 0)
    assert session.drain_events() == [StreamOpened(5), StreamOpened(1), StreamOpened(3)]


def test_streams_above_the_limit_are_refused_and_cost_nothing() -> None:
    pair = Pair(server=Session(client=False, limits=Limits(remote_streams=2)))
    streams = [pair.client.open() for _ in range(3)]
    of_client, of_server = pair.exchange()
    assert [one for one in of_server if isinstance(one, StreamOpened)] == [
        StreamOpened(one) for one in streams[:2]
    ]
    assert StreamReset(streams[2]) in of_client
    pair.client.reset(streams[0])
    pair.client.open()
    _, of_server = pair.exchange()
    assert StreamOpened(7) in of_server


@pytest.mark.parametrize(
    "flood",
    [
        lambda number: frame(FrameType.PING, Flags.SYN, 0, number),
        lambda number: frame(FrameType.WINDOW_UPDATE, Flags.SYN | Flags.RST, 2 * number + 1),
    ],
    ids=["pings", "opened and reset"],
)
def test_flood_of_frames_without_reading_answers_raises_protocol_error(flood) -> None:  # type: ignore[no-untyped-def]
    session = Session(client=False)
    frames = b"".join(flood(number) for number in range(10_000))
    with pytest.raises(ProtocolError, match="flood"):
        session.receive(frames, 0)
    assert sum(map(len, session.take_output(1 << 30))) <= Limits().control + 24


def test_ping_measures_the_round_trip() -> None:
    pair = Pair()
    pair.delay = 0.1
    pair.client.ping(pair.now)
    pair.client.ping(pair.now)  # The first one is unanswered.
    seen, _ = pair.exchange()
    [answer] = seen
    assert isinstance(answer, PingAnswered)
    assert answer.seconds == pytest.approx(0.2)
    assert pair.client.round_trip == pytest.approx(0.2)


def test_session_that_leaves_accepts_no_stream_and_ends_none() -> None:
    pair = Pair()
    stream = pair.client.open()
    pair.exchange()
    late = pair.client.open()
    pair.server.go_away(GoAwayCode.NORMAL)
    seen, of_server = pair.exchange()
    assert PeerLeaves(0) in seen
    assert StreamReset(late) in seen
    assert StreamOpened(late) not in of_server
    with pytest.raises(CannotOpenError):
        pair.client.open()
    pair.client.send(stream, b"still")
    _, of_server = pair.exchange()
    assert received(of_server, stream) == b"still"
