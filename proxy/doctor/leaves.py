"""Walk through settings: the values in models, mappings, and lists, at any depth. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel


def leaves_of(value: Any) -> Iterator[Any]:
    """Yield each value that contains no others."""
    if isinstance(value, BaseModel):
        for _, one in value:
            yield from leaves_of(one)
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from leaves_of(one)
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from leaves_of(one)
    else:
        yield value
