"""Tests of the lines between replicas."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.dialing import DialFailed
from management.tunnels.peer_protocol import (
    FAILED,
    MAX_LINE_BYTES,
    MalformedLine,
    PeerRequest,
    failure_line,
    parse_failure,
    request_line,
    split_proof,
)

REQUEST = PeerRequest("c-4f", "replica-a", "replica-b", 2500, 1_800_000_000, "0" * 32)


def test_request_is_read_as_it_was_written() -> None:
    line = request_line(REQUEST.encode(), "f" * 64)
    covered, proof = split_proof(line)
    assert proof == "f" * 64
    assert PeerRequest.parse(covered) == REQUEST
    assert len(line) < MAX_LINE_BYTES


@pytest.mark.parametrize(
    "covered",
    [
        b"",
        b"CONNECT",
        REQUEST.encode() + b" ",
        b" " + REQUEST.encode(),
        REQUEST.encode().replace(b"c-4f", b"c 4f"),
        REQUEST.encode().replace(b"c-4f", b""),
        REQUEST.encode().replace(b"c-4f", b"c" * 65),
        REQUEST.encode().replace(b"2500", b"-1"),
        REQUEST.encode().replace(b"peer/1", b"peer/2"),
        REQUEST.encode().replace(b"CONNECT", b"connect"),
        REQUEST.encode().replace(b"2500", "٢".encode()),
    ],
)
def test_other_request_is_malformed(covered: bytes) -> None:
    with pytest.raises(MalformedLine):
        PeerRequest.parse(covered)


@given(st.binary(max_size=1100))
def test_any_bytes_are_a_request_or_malformed(line: bytes) -> None:
    covered, _ = split_proof(line)
    try:
        assert PeerRequest.parse(covered).encode() == covered or b" 0" in covered
    except MalformedLine:
        pass


@given(st.text(max_size=600), st.sampled_from(["no_agent", "refused", "timeout", "limit"]))
def test_failure_is_read_as_one_bounded_printable_line(message: str, kind: str) -> None:
    line = failure_line(FAILED, DialFailed(kind, message))
    assert line.count(b"\n") == 1
    assert len(line) <= MAX_LINE_BYTES
    read = parse_failure(line)
    assert read.kind == kind
    assert str(read).isprintable()


@pytest.mark.parametrize("line", [b"", b"\n", b"200", b"502 \n", b"502 BAD reason\n", b"\xff\n"])
def test_response_that_is_not_understood_is_a_failure(line: bytes) -> None:
    failure = parse_failure(line)
    assert failure.kind == "failed"
    assert "no valid response" in str(failure)


def test_unknown_kind_of_failure_is_failed() -> None:
    assert parse_failure(b"502 new_kind reason\n").kind == "failed"
