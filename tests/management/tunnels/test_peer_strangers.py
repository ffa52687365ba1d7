"""Tests of the bound on connections without a proof."""

from management.tunnels.peer_strangers import Strangers


def test_connections_are_admitted_up_to_both_limits() -> None:
    strangers = Strangers(total=5, per_address=3)
    assert [strangers.admit("a") for _ in range(4)] == [True, True, True, False]
    assert [strangers.admit("b") for _ in range(3)] == [True, True, False]
    assert not strangers.admit("c")
    strangers.release("a")
    assert strangers.admit("c")


def test_addresses_without_connections_take_no_memory() -> None:
    strangers = Strangers(total=2, per_address=1)
    for number in range(1000):
        assert strangers.admit(str(number))
        assert not strangers.admit(str(number))
        strangers.release(str(number))
    assert strangers.admitted == 0
    assert strangers.addresses == 0
