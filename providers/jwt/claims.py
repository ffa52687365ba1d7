"""Claims of a token: finding them by path, and conditions on them. Pure."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

Scalar = str | bool | int
MISSING = object()
"""What a path that leads nowhere finds."""


def claim(claims: Mapping[str, Any], path: str) -> Any:
    """The claim at ``path``; MISSING where there is none.

    A claim whose name is the whole path comes first (``https://acme.example/groups``); else dots
    go into objects (``realm_access.roles``).
    """
    if path in claims:
        return claims[path]
    value: Any = claims
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return MISSING
        value = value[name]
    return value


def text_claim(claims: Mapping[str, Any], path: str) -> str:
    """The claim at ``path`` as text: a string, or a whole number; else nothing."""
    value = claim(claims, path)
    if isinstance(value, bool):
        return ""
    return str(value) if isinstance(value, str | int) else ""


def holds(claims: Mapping[str, Any], path: str, wanted: Scalar | tuple[Scalar, ...]) -> bool:
    """Whether the claim at ``path`` is ``wanted``, or one of them.

    Of a claim that is a list, one member is enough. Types count: ``true`` isn't ``"true"``. In
    text, ``*`` stands for anything but a slash, and ``**`` for anything.
    """
    value = claim(claims, path)
    if value is MISSING:
        return False
    found = value if isinstance(value, list) else [value]
    accepted = wanted if isinstance(wanted, tuple) else (wanted,)
    return any(_is(one, want) for one in found for want in accepted)


def _is(value: Any, wanted: Scalar) -> bool:
    if isinstance(value, str) and isinstance(wanted, str):
        return matches(value, wanted)
    return type(value) is type(wanted) and value == wanted


def matches(text: str, glob: str) -> bool:
    """Whether the whole of ``text`` is as ``glob`` says.

    By the positions that each part may end at, so that no text, whoever chose it, takes longer than
    its length times the parts.
    """
    ends = {0}
    for part in _parts(glob):
        if not ends:
            return False
        if part == "*":
            ends = _within_a_segment(text, ends)
        elif part.startswith("*"):
            ends = set(range(min(ends), len(text) + 1))
        else:
            ends = {end + len(part) for end in ends if text.startswith(part, end)}
    return len(text) in ends


@lru_cache(maxsize=1024)
def _parts(glob: str) -> tuple[str, ...]:
    return tuple(filter(None, re.split(r"(\*+)", glob)))


def _within_a_segment(text: str, starts: set[int]) -> set[int]:
    ends: set[int] = set()
    for start in sorted(starts):
        end = start
        while end not in ends:
            ends.add(end)
            if end == len(text) or text[end] == "/":
                break
            end += 1
    return ends
