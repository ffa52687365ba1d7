"""Kubernetes quantities, and a project's quota split over its namespaces."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from management.quantities import format_quantity, parse_quantity, shares


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", "1"),
        ("500m", "0.5"),
        ("1.5", "1.5"),
        (".5", "0.5"),
        ("2k", "2000"),
        ("4Ki", "4096"),
        ("1Gi", "1073741824"),
        ("1e3", "1000"),
        ("12E", "12000000000000000000"),
        ("5E3", "5000"),
        ("100n", "0.0000001"),
        ("-1", "-1"),
    ],
)
def test_a_quantity_is_read(text: str, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize(
    "text", ["", "one", "1 Gi", "1gi", "1e", "0x10", "1e999", "1.2.3", "9" * 99]
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        parse_quantity(text)


@given(st.integers(0, 10**15))
def test_a_whole_number_is_written_as_one_that_reads_the_same(value: int) -> None:
    assert parse_quantity(format_quantity(Decimal(value))) == value


@pytest.mark.parametrize(("value", "text"), [("0.5", "500m"), ("4096", "4Ki"), ("1000", "1000")])
def test_a_quantity_is_written_the_short_way(value: str, text: str) -> None:
    assert format_quantity(Decimal(value)) == text


def split(total: int, default: int | None, asked: dict[str, int | None]) -> dict[str, Decimal]:
    result = shares(
        {"pods": Decimal(total)},
        {} if default is None else {"pods": Decimal(default)},
        {name: {} if one is None else {"pods": Decimal(one)} for name, one in asked.items()},
    )
    return {name: hard["pods"] for name, hard in result.items()}


def test_who_asks_gets_it_and_the_others_get_the_default_or_an_equal_part() -> None:
    assert split(10, None, {"a": 4, "b": None, "c": None}) == {"a": 4, "b": 3, "c": 3}
    assert split(10, 2, {"a": 4, "b": None, "c": None}) == {"a": 4, "b": 2, "c": 2}


def test_who_comes_too_late_gets_what_is_left() -> None:
    assert split(10, 4, {"a": None, "b": None, "c": None}) == {"a": 4, "b": 4, "c": 2}


def test_a_default_without_a_whole_is_what_each_gets() -> None:
    got = shares({}, {"pods": Decimal(5)}, {"a": {}, "b": {"pods": Decimal(7)}})
    assert got == {"a": {"pods": Decimal(5)}, "b": {"pods": Decimal(7)}}


@given(
    st.integers(0, 100),
    st.none() | st.integers(0, 30),
    st.dictionaries(
        st.text("abc", min_size=1, max_size=2), st.none() | st.integers(0, 50), max_size=8
    ),
)
def test_nobody_gets_more_than_the_whole(
    total: int, default: int | None, asked: dict[str, int | None]
) -> None:
    got = split(total, default, asked)
    assert sum(got.values()) <= total
    assert all(value >= 0 for value in got.values())
