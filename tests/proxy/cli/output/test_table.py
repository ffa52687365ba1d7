"""Layout of tables."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.cli.output.table import GAP, SMALLEST, fitted, line_of, shortened, width_of


def test_widest_columns_are_cut_first() -> None:
    assert fitted([5, 40, 20], 50) == [5, 21, 20]
    assert fitted([5, 40, 20], 60) == [5, 31, 20]
    assert fitted([5, 10], 100) == [5, 10]
    assert fitted([5, 1000], None) == [5, 1000]


def test_columns_of_a_higher_rank_are_cut_last() -> None:
    assert fitted([18, 30, 16], 60, [2, 0, 1]) == [18, 22, 16]
    assert fitted([18, 30, 16], 42, [2, 0, 1]) == [18, 8, 12]
    assert fitted([18, 30, 16], 30, [2, 0, 1]) == [10, 8, 8]


@given(st.lists(st.integers(0, 300), max_size=12), st.integers(1, 300))
def test_fitted_line_is_not_wider_than_the_terminal(widths: list[int], available: int) -> None:
    found = fitted(widths, available)
    line = sum(found) + len(GAP) * max(len(found) - 1, 0)
    assert all(new <= old for new, old in zip(found, widths, strict=True))
    assert line <= available or all(
        new in (old, SMALLEST) for new, old in zip(found, widths, strict=True)
    )


@given(st.text(max_size=50), st.integers(1, 20))
def test_shortened_text_is_not_wider_than_its_column(text: str, width: int) -> None:
    assert width_of(shortened(text, width)) <= max(width, 1)
    if width_of(text) <= width:
        assert shortened(text, width) == text


def test_wide_letters_take_two_cells() -> None:
    assert width_of("日本") == 4
    assert shortened("日本語", 5) == "日本…"
    assert line_of(["日本", "x"], [5, 1], cut=False) == "日本   x"
