"""Tests of numbers that a cluster cuts to 32 bits, without a cluster."""

from hypothesis import given
from hypothesis import strategies as st

from management.workload_changes.cut_numbers import cut, cut_numbers

LARGE = 2**32 + 5


def test_number_that_another_changed_is_not_cut() -> None:
    """A webhook may set another number."""
    assert cut_numbers({"spec": {"seconds": LARGE}}, {"spec": {"seconds": 7}}) == []
    assert cut_numbers({"spec": {"memory": LARGE}}, {"spec": {"memory": str(LARGE)}}) == []


def test_entry_of_a_list_is_found_at_another_position() -> None:
    sent = {"spec": {"ports": [{"number": LARGE}]}}
    [problem] = cut_numbers(sent, {"spec": {"ports": [{"number": 80}, {"number": 5}]}})
    assert problem.startswith("spec.ports[].number: the cluster would store 5 in place of 42949")
    assert cut_numbers(sent, {"spec": {"ports": [{"number": 5}, {"number": LARGE}]}}) == []


@given(st.integers(-(2**63), 2**63 - 1))
def test_number_without_its_upper_bits_fits(number: int) -> None:
    lower = cut(number)
    assert -(2**31) <= lower < 2**31
    assert (number - lower) % 2**32 == 0
    expected = 0 if number == lower else 1
    assert len(cut_numbers({"a": number}, {"a": lower})) == expected
