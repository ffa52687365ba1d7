"""Request heads that arrive in pieces: what is buffered, and with how much memory."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.limits.unfinished_heads import FREE_BYTES, HeadBudget, UnfinishedHead, begins_a_request

HEAD = b"GET /k8s/clusters/a/api HTTP/1.1\r\nHost: x\r\nAccept: y\r\n\r\nrest"


@given(st.lists(st.integers(1, len(HEAD)), max_size=12))
def test_head_in_any_pieces_ends_at_its_end_and_is_unchanged(cuts: list[int]) -> None:
    head = UnfinishedHead()
    offsets = [0, *sorted(set(cuts)), len(HEAD)]
    for begin, end in itertools.pairwise(offsets):
        data = HEAD[begin:end]
        assert head.ends_in(data) == (b"\r\n\r\n" in HEAD[:end])
        if head.ends_in(data):
            assert head.joined(data) == HEAD[:end]
            return
        assert head.may_go_on(data, max_line=100, max_lines=10)
        head.add(data)
        assert head.size == end


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"GET / HTTP/1.1\nHost", b""),
        (b"GET / HTTP/1.1\r\nHost", b": x\nA: b"),
        (b"GET / HTTP/1.1", b"\nHost: x"),
        (b"GET / HTTP/1.1\r", b"Host: x"),
        (b"GET / HTTP/1.1\r\rHost: x", b""),
        (b"GET /" + 101 * b"x", b""),
        (b"GET /" + 60 * b"x", 60 * b"x"),
        (b"GET / HTTP/1.1\r\n" + 11 * b"a: b\r\n", b""),
        (b"GET / HTTP/1.1\r\n" + 6 * b"a: b\r\n", 6 * b"a: b\r\n"),
    ],
)
def test_invalid_head_is_not_buffered_to_its_end(first: bytes, second: bytes) -> None:
    head = UnfinishedHead()
    kept = head.may_go_on(first, max_line=100, max_lines=10)
    if second:
        assert kept
        head.add(first)
        kept = head.may_go_on(second, max_line=100, max_lines=10)
    assert not kept


@pytest.mark.parametrize(
    ("data", "begins"),
    [
        (b"G", True),
        (b"GET ", True),
        (b"GET /x", True),
        (b"get /x", False),
        (b"GET x", False),
        (b"\x16\x03\x01", False),
        (b" GET /", False),
        (b"\r\nGET /", False),
        (b"A" * 40, True),
    ],
)
def test_begins_a_request_recognizes_a_method_and_path(data: bytes, begins: bool) -> None:
    assert begins_a_request(data) is begins


def test_exhausted_budget_rejects_heads_until_bytes_are_returned() -> None:
    budget = HeadBudget(1000)
    assert budget.take(0, FREE_BYTES)
    assert budget.take(FREE_BYTES, FREE_BYTES + 600)
    assert not budget.take(0, FREE_BYTES + 500)
    assert budget.take(0, FREE_BYTES)
    budget.give_back(FREE_BYTES + 600)
    budget.give_back(FREE_BYTES)
    assert budget.take(0, FREE_BYTES + 1000)


def test_head_of_one_mebibyte_in_small_pieces_takes_linear_time() -> None:
    head = UnfinishedHead()
    begun = time.thread_time()
    for _ in range(65_536):
        assert head.may_go_on(b"x" * 16, max_line=2**20, max_lines=10)
        head.add(b"x" * 16)
    assert time.thread_time() - begun < 2
