"""Figures of nodes and namespaces, from any response of metrics-server."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from management.controllers.usage_report import (
    MAX_NAMESPACES,
    namespace_usage,
    node_usage,
    total_usage,
)


def node(name: str, cpu: str, memory: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "usage": {"cpu": cpu, "memory": memory}}


def pod(namespace: str, *usages: tuple[str, str]) -> dict[str, Any]:
    containers = [{"usage": {"cpu": cpu, "memory": memory}} for cpu, memory in usages]
    return {"metadata": {"namespace": namespace, "name": "web"}, "containers": containers}


def test_usage_of_nodes_is_in_units_for_readers() -> None:
    found = node_usage([node("b", "1500000000n", "2Gi"), node("a", "250000u", "1048576Ki")])
    assert found == [
        {"name": "a", "cpu": "250m", "memory": "1Gi"},
        {"name": "b", "cpu": "1500m", "memory": "2Gi"},
    ]
    assert total_usage(found) == {"cpu": "1750m", "memory": "3Gi"}


def test_usage_of_a_namespace_is_that_of_all_its_containers() -> None:
    found = namespace_usage(
        [
            pod("shop", ("100m", "64Mi"), ("50m", "64Mi")),
            pod("shop", ("1", "128Mi")),
            pod("idle"),
        ]
    )
    assert found == [
        {"name": "idle", "pods": 1, "cpu": "0", "memory": "0"},
        {"name": "shop", "pods": 2, "cpu": "1150m", "memory": "256Mi"},
    ]


def test_namespaces_that_use_most_memory_are_kept() -> None:
    pods = [pod(f"n{number}", ("0", str(number))) for number in range(MAX_NAMESPACES + 2)]
    found = {one["name"] for one in namespace_usage(pods)}
    assert len(found) == MAX_NAMESPACES
    assert not found & {"n0", "n1"}


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("-1e9"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["metadata", "usage", "cpu", "memory", "name", "containers"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"metadata": st.dictionaries(st.sampled_from(["name", "namespace"]), ANYTHING)},
            optional={"usage": ANYTHING, "containers": ANYTHING},
        ),
        max_size=3,
    )
)
def test_figures_of_any_input_can_be_stored(items: list[dict[str, Any]]) -> None:
    nodes = node_usage(items)
    json.dumps([nodes, namespace_usage(items), total_usage(nodes)], allow_nan=False)
    assert not any(one["cpu"].startswith("-") for one in nodes)
