"""The results of a search for users and groups. Pure."""

from collections.abc import Iterable
from itertools import chain, islice

from providers.base import FoundPrincipal


def found_principals(
    people: Iterable[FoundPrincipal], groups: Iterable[FoundPrincipal], limit: int
) -> list[FoundPrincipal]:
    """Return at most ``limit`` principals by name, with room for both users and groups."""
    ordered_people, ordered_groups = _by_name(people), _by_name(groups)
    room = max(limit - len(ordered_people), limit // 2)
    kept = list(islice(ordered_groups, room))
    return list(chain(islice(ordered_people, limit - len(kept)), kept))


def _by_name(found: Iterable[FoundPrincipal]) -> list[FoundPrincipal]:
    named = {one.principal_id: one for one in found if one.name}
    return sorted(named.values(), key=lambda one: (one.name.casefold(), one.principal_id))
