"""A project's quota split over its namespaces."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from management.desired_state.quota_shares import split_quota


def split(total: int, default: int | None, asked: dict[str, int | None]) -> dict[str, Decimal]:
    result = split_quota(
        {"pods": Decimal(total)},
        {} if default is None else {"pods": Decimal(default)},
        {name: {} if one is None else {"pods": Decimal(one)} for name, one in asked.items()},
    )
    return {name: hard["pods"] for name, hard in result.items()}


def test_requested_amounts_are_served_before_default_and_equal_shares() -> None:
    assert split(10, None, {"a": 4, "b": None, "c": None}) == {"a": 4, "b": 3, "c": 3}
    assert split(10, 2, {"a": 4, "b": None, "c": None}) == {"a": 4, "b": 2, "c": 2}


def test_last_namespace_gets_the_rest() -> None:
    assert split(10, 4, {"a": None, "b": None, "c": None}) == {"a": 4, "b": 4, "c": 2}


def test_default_without_a_total_is_given_to_each_namespace() -> None:
    got = split_quota({}, {"pods": Decimal(5)}, {"a": {}, "b": {"pods": Decimal(7)}})
    assert got == {"a": {"pods": Decimal(5)}, "b": {"pods": Decimal(7)}}


@given(
    st.integers(0, 100),
    st.none() | st.integers(0, 30),
    st.dictionaries(
        st.text("abc", min_size=1, max_size=2), st.none() | st.integers(0, 50), max_size=8
    ),
)
def test_sum_of_shares_never_exceeds_the_total(
    total: int, default: int | None, asked: dict[str, int | None]
) -> None:
    got = split(total, default, asked)
    assert sum(got.values()) <= total
    assert all(value >= 0 for value in got.values())
    assert all(value == int(value) for value in got.values())


def test_new_namespace_does_not_reduce_earlier_requests() -> None:
    """With any name and any request."""
    assert split(10, 4, {"b": None, "c": None, "a": None}) == {"b": 4, "c": 4, "a": 2}
    assert split(10, 4, {"b": None, "c": None, "a": 9}) == {"b": 4, "c": 4, "a": 2}


@pytest.mark.parametrize(
    ("resource", "total", "parts"),
    [
        ("pods", "10", ["4", "3", "3"]),
        ("pods", "1", ["1", "0", "0"]),
        ("pods", "2", ["1", "1", "0"]),
        ("count/deployments.apps", "4", ["2", "1", "1"]),
        ("requests.nvidia.com/gpu", "1", ["1", "0", "0"]),
        ("requests.memory", "10", ["4", "3", "3"]),
        ("limits.cpu", "1", ["0.334", "0.333", "0.333"]),
        ("limits.cpu", "10", ["3.334", "3.333", "3.333"]),
    ],
)
def test_equal_shares_are_whole_units_and_add_up_to_the_total(
    resource: str, total: str, parts: list[str]
) -> None:
    got = split_quota({resource: Decimal(total)}, {}, {"x": {}, "y": {}, "z": {}})
    assert [got[name][resource] for name in "xyz"] == list(map(Decimal, parts))
