"""Look up claims of a token by path, and check conditions on them. Pure."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

Scalar = str | bool | int
MISSING = object()
"""The result for a path without a claim."""

_STARS = re.compile(r"(\*+)")


def claim(claims: Mapping[str, Any], path: str) -> Any:
    """Return the claim at ``path``, or MISSING.

    A claim whose name is the whole path takes precedence (``https://acme.example/groups``).
    Otherwise dots separate the names of nested objects (``realm_access.roles``).
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
    """Return the string or integer at ``path`` as text, or an empty text."""
    value = claim(claims, path)
    if isinstance(value, bool):
        return ""
    return str(value) if isinstance(value, str | int) else ""


def matches_condition(
    claims: Mapping[str, Any], path: str, wanted: Scalar | tuple[Scalar, ...]
) -> bool:
    """Return whether the claim at ``path`` equals ``wanted``, or one of several values.

    For a list, one matching member is enough. Types must match: ``true`` is not ``"true"``. In
    text, ``*`` matches anything but a slash, and ``**`` matches anything.
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
    """Return whether the whole ``text`` matches ``glob``.

    Tracks the positions at which each part may end. The time is at most proportional to the length
    of the text times the number of parts, for any text.
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
    return tuple(filter(None, _STARS.split(glob)))


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
