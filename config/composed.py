"""Unicode normalization of text that is not trusted, in bounded time. Pure.

Normalization sorts combining characters by insertion, which takes quadratic time: 64 KB of them
take seconds. Therefore this module alone normalizes, and limits the length before that.
"""

import re
import unicodedata
from typing import Literal

MOST_CHARACTERS = 1024
"""Text of this length takes at most 20 ms."""

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
"""Default_Ignorable_Code_Point: directories map these to nothing (RFC 4518 §2.2)."""


def composed(text: str, form: Literal["NFC", "NFKC"] = "NFC") -> str:
    """Return ``text`` in a normal form. Raises ValueError for more than MOST_CHARACTERS."""
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"must have at most {MOST_CHARACTERS} characters")
    return unicodedata.normalize(form, text)


def folded_name(name: str) -> str:
    """Return the form in which names are compared: without case, width and composition.

    NFKC, case folding, and NFKC again, because folding may leave composable characters (Unicode,
    D146). Raises ValueError for more than MOST_CHARACTERS.
    """
    once = unicodedata.normalize("NFKC", composed(name, "NFKC").casefold())
    return unicodedata.normalize("NFKC", once.casefold())


def counted_name(name: str) -> str:
    """Return the form under which attempts at a name are counted, the same for all spellings.

    Names that a directory may consider equal have the same form: it also ignores invisible
    characters and the amount of white space. Only the first MOST_CHARACTERS count.
    """
    visible = _INVISIBLE.sub("", folded_name(name[:MOST_CHARACTERS]))
    return " ".join(visible.split())
