"""Batches of what is read or written together."""

from collections.abc import Iterator, Sequence
from typing import Final

MOST: Final = 200
"""Databases bound the parameters of a statement, and other writers wait for a transaction."""


def in_batches(some: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield parts of ``some`` of at most :data:`MOST`."""
    for start in range(0, len(some), MOST):
        yield some[start : start + MOST]
