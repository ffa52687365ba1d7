"""Putting what was measured into a page, between two marks. Pure but for :func:`put`."""

from pathlib import Path

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def between_marks(page: str, text: str) -> str:
    """The page with ``text`` between the marks. ValueError where there are none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no place for the tables: {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{text.strip()}\n{END}{after}"


def put(page: Path, text: str) -> None:
    """Write the page anew."""
    page.write_text(between_marks(page.read_text(), text))
