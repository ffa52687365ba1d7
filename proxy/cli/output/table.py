"""Lay out tables: columns as wide as needed, narrower on a terminal that is narrower. Pure."""

import unicodedata
from collections.abc import Sequence

GAP = "  "
SMALLEST = 8
"""A column is not cut below this width, in character cells."""

ELLIPSIS = "…"

Row = Sequence[str]


def width_of(text: str) -> int:
    """Return how many cells of a terminal a text takes (Unicode TR11: wide letters take two)."""
    if text.isascii():
        return len(text)
    return sum(_cells(one) for one in text)


def fitted(widths: Sequence[int], available: int | None, ranks: Sequence[int] = ()) -> list[int]:
    """Return the columns' widths, some cut, so that a line has ``available`` cells.

    None: as wide as needed. Columns of the lowest of ``ranks`` are cut first, of these the widest.
    Columns of the smallest width are not cut.
    """
    found = list(widths)
    if available is None or not found:
        return found
    ranks = ranks or [0] * len(found)
    excess = sum(found) + len(GAP) * (len(found) - 1) - available
    for rank in sorted(set(ranks)):
        excess = _cut(found, [one for one in range(len(found)) if ranks[one] == rank], excess)
    return found


def _cut(widths: list[int], columns: Sequence[int], excess: int) -> int:
    """Cut ``excess`` cells from some columns, the widest first; return how many are left."""
    while excess > 0:
        widest = max(widths[one] for one in columns)
        if widest <= SMALLEST:
            break
        second = max([SMALLEST, *(widths[one] for one in columns if widths[one] < widest)])
        cut = [one for one in columns if widths[one] == widest]
        step = max(1, min(widest - second, -(-excess // len(cut))))
        for number in cut:
            taken = min(step, excess)
            widths[number] -= taken
            excess -= taken
    return excess


def measured(rows: Sequence[Row], at_least: Sequence[int]) -> list[int]:
    """Return the width of each column, at least the given ones."""
    found = list(at_least)
    for row in rows:
        for number, cell in enumerate(row):
            found[number] = max(found[number], width_of(cell))
    return found


def line_of(row: Row, widths: Sequence[int], *, cut: bool) -> str:
    """Return one line. Cells that are wider are cut with an ellipsis if ``cut``."""
    cells = []
    for cell, width in zip(row, widths, strict=True):
        text = shortened(cell, width) if cut else cell
        cells.append(text + " " * (width - width_of(text)))
    return GAP.join(cells).rstrip()


def shortened(text: str, width: int) -> str:
    """Return ``text`` with at most ``width`` cells."""
    if width_of(text) <= width:
        return text
    kept, left = [], width - 1
    for one in text:
        left -= _cells(one)
        if left < 0:
            break
        kept.append(one)
    return "".join(kept) + ELLIPSIS


def _cells(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in {"W", "F"} else 1
