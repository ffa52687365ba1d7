"""Put results into a page, between two marks."""

from pathlib import Path


def between_marks(page: str, name: str, text: str) -> str:
    """Return the page with ``text`` between the marks of that name. Raises ValueError."""
    begin_mark, end_mark = f"<!-- bench: {name} -->", f"<!-- bench: end of {name} -->"
    before, begin, rest = page.partition(begin_mark)
    _, end, after = rest.partition(end_mark)
    if not begin or not end:
        raise ValueError(f"the page has no place for it: {begin_mark} … {end_mark}")
    return f"{before}{begin_mark}\n{text.strip()}\n{end_mark}{after}"


def put(page: Path, name: str, text: str) -> None:
    """Write the page with the new text."""
    page.write_text(between_marks(page.read_text(), name, text))
