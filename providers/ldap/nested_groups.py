"""Groups that groups are in, by one search a level, with an end even where they go in circles."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from providers.base import ExternalGroup, ProviderUnavailable

BATCH = 100
"""Values in one filter: more make filters that servers refuse, or look at for long."""

MAX_LEVELS = 50
"""Levels after which nesting is a mistake."""

MAX_GROUPS = 10_000
"""Groups after which somebody can't be expressed to a cluster any more."""

T = TypeVar("T")


def climb(start: Sequence[T], parents: Callable[[Sequence[T]], Iterable[T]]) -> list[T]:
    """``start``, their parents, the parents of those: each once, level by level.

    ``parents`` gets no more than BATCH at a time. Raises ProviderUnavailable where it doesn't end.
    """
    seen = dict.fromkeys(start)
    level = list(seen)
    for _ in range(MAX_LEVELS):
        above: dict[T, None] = {}
        for batch in batches(level):
            above.update(dict.fromkeys(one for one in parents(batch) if one not in seen))
        if not above:
            return list(seen)
        seen.update(above)
        if len(seen) > MAX_GROUPS:
            raise ProviderUnavailable(f"somebody is in more than {MAX_GROUPS} groups")
        level = list(above)
    raise ProviderUnavailable(f"groups are nested more than {MAX_LEVELS} levels deep")


def batches(values: Iterable[T]) -> Iterator[list[T]]:
    """``values``, BATCH at a time."""
    rest = iter(values)
    while batch := list(islice(rest, BATCH)):
        yield batch


def complete(groups: Iterable[ExternalGroup]) -> tuple[ExternalGroup, ...]:
    """Each group once, in a stable order. Raises ProviderUnavailable where they are too many."""
    by_id = {group.principal_id: group for group in groups}
    if len(by_id) > MAX_GROUPS:
        raise ProviderUnavailable(f"somebody is in more than {MAX_GROUPS} groups")
    return tuple(by_id[one] for one in sorted(by_id))
