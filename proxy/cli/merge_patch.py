"""JSON merge patches (RFC 7396) of what a command changes. Pure."""

from collections.abc import Mapping
from typing import Any


def merge_patch(before: Any, after: Any) -> Any:
    """Return the JSON merge patch (RFC 7396) that turns ``before`` into ``after``."""
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return after
    patch: dict[str, Any] = {key: None for key in before if key not in after}
    for key, value in after.items():
        if key not in before:
            patch[key] = value
        elif before[key] != value:
            patch[key] = merge_patch(before[key], value)
    return patch
