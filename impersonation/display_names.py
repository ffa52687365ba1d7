"""Check names that are shown to users: the visible text must be the stored text. Pure.

A name with an invisible character, or with one that reverses the direction of text, looks like
another name in a terminal, on a page and in a log.
"""

from collections.abc import Iterable

_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Invisible letters and marks: fillers, the grapheme joiner, the blank Braille pattern."""

_VARIATIONS: Iterable[tuple[str, str]] = (
    ("\u180b", "\u180f"),
    ("\ufe00", "\ufe0f"),
    ("\U000e0100", "\U000e01ef"),
)
"""Ranges of variation selectors (first, last): they change how a letter looks, or nothing."""


def one_line(value: str) -> str:
    """Return ``value`` if every character is visible or an ordinary space.

    Raises:
        ValueError: a character is a line break, a control or bidirectional character, has no
            width, or is a space other than U+0020.
    """
    for character in value:
        if _is_hidden(character):
            raise ValueError(
                "must be one line without control, bidirectional and invisible characters: it "
                f"contains U+{ord(character):04X}"
            )
    return value


def trimmed(value: str) -> str:
    """Return ``value`` if it is one line without surrounding space. Raises ValueError."""
    if value != value.strip():
        raise ValueError("must not begin or end with a space")
    return one_line(value)


def visible(value: str) -> str:
    """Return ``value`` as one line without invisible characters."""
    line = " ".join(value.split())
    return "".join(one for one in line if not _is_hidden(one)).strip()


def _is_hidden(character: str) -> bool:
    # str.isprintable is False for control, format, surrogate, private-use and unassigned
    # characters, and for all separators except U+0020.
    return (
        not character.isprintable()
        or character in _BLANK
        or any(first <= character <= last for first, last in _VARIATIONS)
    )
