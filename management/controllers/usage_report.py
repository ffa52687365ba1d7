"""What nodes and namespaces use, from the responses of metrics-server. Pure.

A cluster's responses are not trusted: each field is checked, and invalid amounts count as zero.
"""

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from management.kubernetes.quantity import format_quantity, parse_quantity
from management.kubernetes.validation import mapping, mappings, text

MAX_NODES, MAX_NAMESPACES = 5_000, 5_000
"""Nodes and namespaces in a report: those that use most memory. Kubernetes supports 5,000 nodes."""

_ZERO = Decimal(0)


@dataclass(slots=True)
class _Amounts:
    cpu: Decimal = _ZERO
    memory: Decimal = _ZERO
    pods: int = 0

    def add(self, usage: Mapping[str, Any]) -> None:
        self.cpu += _quantity(usage.get("cpu"))
        self.memory += _quantity(usage.get("memory"))

    def shown(self) -> dict[str, Any]:
        return {"cpu": format_quantity(self.cpu), "memory": format_quantity(self.memory)}


def node_usage(metrics: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what each node uses, from its NodeMetrics (metrics.k8s.io/v1beta1), by name."""
    found: dict[str, _Amounts] = {}
    for one in metrics:
        if name := text(mapping(one.get("metadata")).get("name")):
            found.setdefault(name, _Amounts()).add(mapping(one.get("usage")))
    return [{"name": name, **used.shown()} for name, used in _largest(found, MAX_NODES)]


def namespace_usage(metrics: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the number of pods in each namespace, and what they use, from their PodMetrics."""
    found: dict[str, _Amounts] = {}
    for one in metrics:
        name = text(mapping(one.get("metadata")).get("namespace"))
        if not name:
            continue
        amounts = found.setdefault(name, _Amounts())
        amounts.pods += 1
        for container in mappings(one.get("containers")):
            amounts.add(mapping(container.get("usage")))
    return [
        {"name": name, "pods": used.pods, **used.shown()}
        for name, used in _largest(found, MAX_NAMESPACES)
    ]


def total_usage(nodes: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return what all nodes of :func:`node_usage` use."""
    amounts = _Amounts()
    for one in nodes:
        amounts.add(one)
    return amounts.shown()


def _largest(found: dict[str, _Amounts], most: int) -> list[tuple[str, _Amounts]]:
    """Return the entries that use most memory, by name."""
    kept = heapq.nlargest(most, found.items(), key=lambda pair: pair[1].memory)
    return sorted(kept, key=lambda pair: pair[0])


def _quantity(value: object) -> Decimal:
    """Return a quantity; anything else counts as zero, as does a negative one."""
    try:
        return max(parse_quantity(text(value, 65) or ""), _ZERO)
    except ValueError:
        return _ZERO
