"""Suggest what a misspelt word could mean. Pure."""

import difflib
from collections.abc import Iterable


def unknown_field(word: str, known: Iterable[str]) -> str:
    """Return the end of a sentence: the nearest field, or all."""
    near = nearest(word, known)
    return f"; did you mean {near}?" if near else f"; the fields are {', '.join(known)}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the most similar word. snake_case and camelCase are the same."""
    plain = {one.casefold(): one for one in known}
    folded = word[:128].replace("_", "").casefold()
    found = difflib.get_close_matches(folded, plain, n=1, cutoff=0.7)
    return plain[found[0]] if found else None
