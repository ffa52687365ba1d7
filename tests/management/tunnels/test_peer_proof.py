"""Tests of the proof that a request comes from a replica."""

from dataclasses import replace

import pytest

from management.tunnels.peer_proof import WINDOW_SECONDS, Freshness, PeerProof, ProofRefused
from management.tunnels.peer_protocol import PeerRequest

OLD, NEW = bytes(32), bytes(range(32))
COVERED = b"CONNECT c-1 sekisho-peer/1 a b 1000 1 00"


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def request(time: int, nonce: int = 0) -> PeerRequest:
    return PeerRequest("c-1", "a", "b", 1000, time, f"{nonce:032x}")


def test_proof_holds_for_the_same_line_and_key_only() -> None:
    proof = PeerProof([NEW]).sign(COVERED)
    assert PeerProof([NEW]).verifies(COVERED, proof)
    assert not PeerProof([NEW]).verifies(COVERED + b"0", proof)
    assert not PeerProof([OLD]).verifies(COVERED, proof)
    assert not PeerProof([NEW]).verifies(COVERED, "")
    assert not PeerProof([NEW]).verifies(COVERED, "\N{REPLACEMENT CHARACTER}")


def test_proof_with_any_key_of_the_keyring_is_accepted_while_keys_rotate() -> None:
    assert PeerProof([NEW, OLD]).verifies(COVERED, PeerProof([OLD]).sign(COVERED))
    assert PeerProof([OLD, NEW]).verifies(COVERED, PeerProof([NEW, OLD]).sign(COVERED))


@pytest.mark.parametrize("apart", [-WINDOW_SECONDS, 0, WINDOW_SECONDS])
def test_request_within_the_window_is_accepted_once(apart: int) -> None:
    clock = Clock()
    freshness = Freshness(clock, clock)
    freshness.accept(request(1000 + apart))
    with pytest.raises(ProofRefused, match="sent before"):
        freshness.accept(request(1000 + apart))


@pytest.mark.parametrize("apart", [-WINDOW_SECONDS - 1, WINDOW_SECONDS + 1])
def test_request_outside_the_window_is_refused_with_the_difference(apart: int) -> None:
    clock = Clock()
    with pytest.raises(ProofRefused, match="differ by 61 s"):
        Freshness(clock, clock).accept(request(1000 + apart))


def test_request_is_remembered_until_it_is_too_old_to_be_accepted() -> None:
    clock = Clock()
    freshness = Freshness(clock, clock)
    future = request(1000 + WINDOW_SECONDS)
    freshness.accept(future)
    for seconds in range(1, 4 * WINDOW_SECONDS):
        clock.now = 1000.0 + seconds
        with pytest.raises(ProofRefused):
            freshness.accept(future)


def test_forgotten_requests_leave_no_memory() -> None:
    clock = Clock()
    freshness = Freshness(clock, clock)
    for number in range(1000):
        freshness.accept(request(1000, number))
    clock.now += 3 * WINDOW_SECONDS
    freshness.accept(request(int(clock.now), 1000))
    assert freshness.remembered == 1


def test_requests_above_the_limit_are_refused_not_forgotten() -> None:
    clock = Clock()
    freshness = Freshness(clock, clock, most=10)
    for number in range(10):
        freshness.accept(request(1000, number))
    with pytest.raises(ProofRefused, match="too many"):
        freshness.accept(request(1000, 10))
    with pytest.raises(ProofRefused, match="sent before"):
        freshness.accept(replace(request(1000, 0)))
