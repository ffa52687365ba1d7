"""The differences between two states of an object. Pure.

The paths are those of an API server's messages: ``.spec.template.spec.containers[name="web"]``.
Items of a list are compared by their ``name`` if all have one, as containers, volumes, and
variables have; otherwise by position.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

MAX_CHANGES = 100
"""Changes of one object that are shown."""

MAX_VALUE_CHARACTERS = 500
"""Characters of one shown value, as JSON."""

MAX_DEPTH = 64
"""Levels that are compared; deeper values are compared as a whole."""

_ABSENT = object()
_IGNORED = ("status",)
_IGNORED_METADATA = (
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field that differs. ``before`` and ``after`` are JSON, cut; None if the field is absent."""

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class FieldChanges:
    """The differences of an object; ``more`` is true if there are more than MAX_CHANGES."""

    items: tuple[FieldChange, ...] = ()
    more: bool = False

    def __bool__(self) -> bool:
        return bool(self.items)


NO_CHANGES = FieldChanges()


def field_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> FieldChanges:
    """Return the fields that differ, without status and without what the API server maintains."""
    found = list(islice(_changes("", _content(before), _content(after), 0), MAX_CHANGES + 1))
    return FieldChanges(tuple(found[:MAX_CHANGES]), len(found) > MAX_CHANGES)


def _content(manifest: Mapping[str, Any]) -> dict[str, Any]:
    content = {key: value for key, value in manifest.items() if key not in _IGNORED}
    metadata = content.get("metadata")
    if isinstance(metadata, dict):
        kept = {key: value for key, value in metadata.items() if key not in _IGNORED_METADATA}
        content["metadata"] = kept
    return content


def _changes(path: str, before: object, after: object, depth: int) -> Iterator[FieldChange]:
    if before == after:
        return
    if depth < MAX_DEPTH:
        one, other = _fields(before), _fields(after)
        if one is not None and other is not None and one[0] == other[0]:
            yield from _part_changes(path, one[1], other[1], depth + 1)
            return
    yield FieldChange(path or ".", _shown(before), _shown(after))


def _part_changes(
    path: str, before: dict[str, Any], after: dict[str, Any], depth: int
) -> Iterator[FieldChange]:
    kept = [key for key in before if key in after]
    if path and kept != [key for key in after if key in before] and kept[0].startswith("["):
        yield FieldChange(path, _shown(list(before)), _shown(list(after)))
    for key in [*before, *(key for key in after if key not in before)]:
        found = before.get(key, _ABSENT), after.get(key, _ABSENT)
        yield from _changes(path + key, *found, depth)


def _fields(value: object) -> tuple[str, dict[str, Any]] | None:
    """Return how the parts of a value are found, and the parts by path; None for a scalar."""
    if isinstance(value, dict):
        return "map", {f".{key}": one for key, one in value.items()}
    if not isinstance(value, list) or not value:
        return None
    names = [one.get("name") if isinstance(one, dict) else None for one in value]
    if all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
        return "names", {f'[name="{name}"]': one for name, one in zip(names, value, strict=True)}
    return "positions", {f"[{number}]": one for number, one in enumerate(value)}


def _shown(value: object) -> str | None:
    if value is _ABSENT:
        return None
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_VALUE_CHARACTERS else f"{text[:MAX_VALUE_CHARACTERS]}…"
