"""Nested groups, with one search per level. Cycles are handled."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from providers.base import ExternalGroup, ProviderUnavailable

BATCH = 100
"""Values in one filter. Servers reject longer filters, or take long for them."""

MAX_LEVELS = 50
"""The limit of levels: deeper nesting is a mistake."""

MAX_GROUPS = 10_000
"""The limit of a user's groups: more cannot be sent to a cluster."""

T = TypeVar("T")


def expand_nested(start: Sequence[T], parents: Callable[[Sequence[T]], Iterable[T]]) -> list[T]:
    """Return ``start``, their parents, the parents of those, …, without duplicates.

    ``parents`` is called with at most BATCH values.

    Raises:
        ProviderUnavailable: there are too many levels or groups.
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
            raise ProviderUnavailable(f"a user is in more than {MAX_GROUPS} groups")
        level = list(above)
    raise ProviderUnavailable(f"groups are nested more than {MAX_LEVELS} levels deep")


def batches(values: Iterable[T]) -> Iterator[list[T]]:
    """Yield ``values`` in lists of at most BATCH."""
    rest = iter(values)
    while batch := list(islice(rest, BATCH)):
        yield batch


def complete(groups: Iterable[ExternalGroup]) -> tuple[ExternalGroup, ...]:
    """Return each group once, in a stable order. Raises ProviderUnavailable for too many."""
    by_id = {group.principal_id: group for group in groups}
    if len(by_id) > MAX_GROUPS:
        raise ProviderUnavailable(f"a user is in more than {MAX_GROUPS} groups")
    return tuple(by_id[one] for one in sorted(by_id))
