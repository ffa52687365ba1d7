"""Label selectors of workloads, as a query of the Kubernetes API."""

from collections.abc import Mapping
from typing import Any

from management.kubernetes.validation import mapping, mappings

_OPERATORS = {"In": "in", "NotIn": "notin"}


def selector_of(manifest: Mapping[str, Any]) -> str | None:
    """Return the selector of a workload's pods; None if it has none, or one that is not valid."""
    selector = mapping(mapping(manifest.get("spec")).get("selector"))
    parts: list[str] = []
    for key, value in mapping(selector.get("matchLabels")).items():
        if not isinstance(value, str):
            return None
        parts.append(f"{key}={value}")
    for one in mappings(selector.get("matchExpressions")):
        part = _requirement(one)
        if part is None:
            return None
        parts.append(part)
    return ",".join(parts) or None


def _requirement(expression: Mapping[str, Any]) -> str | None:
    key, operator, values = (expression.get(name) for name in ("key", "operator", "values"))
    if not isinstance(key, str):
        return None
    if operator == "Exists":
        return key
    if operator == "DoesNotExist":
        return f"!{key}"
    if operator not in _OPERATORS or not isinstance(values, list):
        return None
    if not values or not all(isinstance(one, str) for one in values):
        return None
    return f"{key} {_OPERATORS[operator]} ({','.join(values)})"
