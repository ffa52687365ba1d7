"""Groups in groups."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.base import FoundPrincipal, ProviderUnavailable
from providers.ldap.nested_groups import MAX_LEVELS, expand_nested
from providers.ldap.search_results import found_principals


class TestGroups:
    @given(st.dictionaries(st.integers(0, 20), st.lists(st.integers(0, 20), max_size=4)))
    def test_expand_nested_finds_each_parent_once(self, parents: dict[int, list[int]]) -> None:
        requested: list[int] = []

        def parents_of(batch: Sequence[int]) -> list[int]:
            requested.extend(batch)
            return [one for child in batch for one in parents.get(child, [])]

        found = expand_nested([0], parents_of)
        assert len(found) == len(set(found)) == len(requested)
        assert all(parent in found for one in found for parent in parents.get(one, []))

    def test_endless_nesting_is_unavailable(self) -> None:
        with pytest.raises(ProviderUnavailable, match=f"more than {MAX_LEVELS} levels"):
            expand_nested([0], lambda batch: [max(batch) + 1])

    def test_found_principals_share_the_limit_between_users_and_groups(self) -> None:
        people = [FoundPrincipal(f"u://{n}", f"u{n}", "user") for n in range(9)]
        groups = [FoundPrincipal(f"g://{n}", f"g{n}", "group") for n in range(9)]
        for few, many, limit in ((2, 9, 6), (9, 2, 6), (9, 9, 6), (1, 1, 6), (9, 0, 1), (0, 9, 1)):
            found = found_principals(people[:few], groups[:many], limit)
            assert len(found) == min(limit, few + many)
