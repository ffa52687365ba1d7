"""Tests of the order of changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cli.apply.ordering import Circle, in_order


@given(st.permutations(range(8)), st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7))))
def test_every_node_follows_what_it_needs(nodes: list[int], edges: set[tuple[int, int]]) -> None:
    needs: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for low, high in edges:
        if low != high:
            needs.setdefault((str(max(low, high)),), []).append((str(min(low, high)),))
    ordered = in_order([(str(one),) for one in nodes], needs)
    assert sorted(ordered) == sorted((str(one),) for one in nodes)
    for node, needed in needs.items():
        assert all(ordered.index(one) < ordered.index(node) for one in needed)


def test_circle_is_reported_with_its_path() -> None:
    needs = {("a",): [("b",)], ("b",): [("c",)], ("c",): [("b",)]}
    with pytest.raises(Circle) as caught:
        in_order([("a",), ("b",), ("c",)], needs)
    assert caught.value.path == (("b",), ("c",), ("b",))


def test_long_chain_is_ordered_without_recursion() -> None:
    nodes = [(str(one),) for one in range(20_000)]
    needs = {(str(one),): [(str(one + 1),)] for one in range(19_999)}
    assert in_order(nodes, needs) == nodes[::-1]
