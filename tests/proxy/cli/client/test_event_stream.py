"""Server-sent events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cli.client.event_stream import MAX_DATA_BYTES, Event, EventParser, EventTooLarge


def parse(*lines: bytes) -> list[Event]:
    parser = EventParser()
    return [event for line in lines if (event := parser.feed(line)) is not None]


def test_events_are_separated_by_empty_lines() -> None:
    lines = (
        b": keep-alive",
        b"",
        b"event: added",
        b'data: {"a": 1}',
        b"",
        b"data:x",
        b"data: y",
        b"",
    )
    assert parse(*lines) == [Event("added", '{"a": 1}'), Event("message", "x\ny")]


def test_unfinished_event_is_not_returned() -> None:
    assert parse(b"event: added", b"data: 1") == []


def test_event_over_the_limit_is_refused() -> None:
    parser = EventParser()
    parser.feed(b"data: " + b"x" * MAX_DATA_BYTES)
    with pytest.raises(EventTooLarge):
        parser.feed(b"data: x")


@given(st.lists(st.binary(max_size=30)))
def test_any_lines_are_parsed(lines: list[bytes]) -> None:
    for event in parse(*lines):
        assert isinstance(event.data, str)


def test_last_id_is_that_of_the_last_complete_event() -> None:
    parser = EventParser("1")
    for line in (b"id: 2", b"", b"id: 3", b"data: x"):
        parser.feed(line)
    assert parser.last_id == "2"
    parser.feed(b"")
    assert parser.last_id == "3"
