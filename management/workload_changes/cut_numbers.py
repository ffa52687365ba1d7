"""Find numbers that a cluster cuts to 32 bits. Pure.

An API server decodes a number into the type of its field, without a check of its size: 4294967301
becomes 5. Which fields have 32 bits depends on the kind and on the cluster's version. So the
object that the cluster would store is compared with the one that was sent.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

_BITS = 2**32
_INT32 = range(-(2**31), 2**31)

Place = tuple[str, ...]
"""The names on the way to a value. All entries of a list have one place: an API server merges
lists, so that entries have other positions afterwards."""


def cut_numbers(sent: Mapping[str, Any], stored: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each number of ``sent`` that ``stored`` has without its upper bits."""
    large = [(place, one) for place, one in _numbers(sent, ()) if one not in _INT32]
    if not large:
        return []
    found: defaultdict[Place, set[int]] = defaultdict(set)
    for place, one in _numbers(stored, ()):
        found[place].add(one)
    return [
        f"{'.'.join(place)}: the cluster would store {cut(one)} in place of {one}, because the "
        "field has 32 bits"
        for place, one in large
        if one not in found[place] and cut(one) in found[place]
    ]


def has_large_numbers(content: Mapping[str, Any]) -> bool:
    """Return whether a number in the object has more than 32 bits."""
    return any(one not in _INT32 for _, one in _numbers(content, ()))


def cut(number: int) -> int:
    """Return the lower 32 bits of a number, as a signed number."""
    return (number - _INT32.start) % _BITS + _INT32.start


def _numbers(value: Any, place: Place) -> Iterator[tuple[Place, int]]:
    if isinstance(value, bool):
        return
    if isinstance(value, int):
        yield place, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _numbers(inner, (*place, str(name)))
    elif isinstance(value, list):
        at = (*place[:-1], f"{place[-1]}[]") if place else ("[]",)
        for inner in value:
            yield from _numbers(inner, at)
