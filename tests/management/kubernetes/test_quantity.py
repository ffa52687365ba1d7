"""Kubernetes quantities are parsed and formatted."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from management.kubernetes.quantity import format_quantity, parse_quantity


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
def test_quantity_is_parsed(text: str, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize(
    "text", ["", "one", "1 Gi", "1gi", "1e", "0x10", "1e999", "1.2.3", "9" * 99]
)
def test_invalid_quantity_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        parse_quantity(text)


@given(st.integers(0, 10**15))
def test_formatted_integer_parses_to_the_same_value(value: int) -> None:
    assert parse_quantity(format_quantity(Decimal(value))) == value


@pytest.mark.parametrize(("value", "text"), [("0.5", "500m"), ("4096", "4Ki"), ("1000", "1000")])
def test_quantity_is_formatted_in_the_short_form(value: str, text: str) -> None:
    assert format_quantity(Decimal(value)) == text
