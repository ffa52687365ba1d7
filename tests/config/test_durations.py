"""Tests of durations."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.durations import format_duration, parse_duration, parse_lag


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("8h", 28800), ("1h30m", 5400), ("90d", 7776000), (" 1d2h3m4s ", 93784)],
)
def test_parse_duration_adds_units(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "8", "h", "3x", "-1h", "1m1h", "1.5h", "١h", "99999999d"])
def test_parse_duration_of_other_text_raises_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"write it like|longer than"):
        parse_duration(text)


@given(st.integers(1, 100 * 365 * 86400))
def test_parse_duration_of_a_formatted_duration_returns_it(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration


@given(st.text(max_size=12))
def test_parse_duration_of_any_text_raises_value_error_only(text: str) -> None:
    try:
        duration = parse_duration(text)
    except ValueError:
        return
    assert duration >= timedelta(0)


@pytest.mark.parametrize(("text", "seconds"), [("30ms", 0.03), ("0ms", 0), ("1s", 1), ("2m", 120)])
def test_lag_may_be_in_milliseconds(text: str, seconds: float) -> None:
    assert parse_lag(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "30", "ms", "1.5ms", "-1ms", "1s30ms", "9" * 30 + "ms"])
def test_lag_in_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write it like|longer than"):
        parse_lag(text)
