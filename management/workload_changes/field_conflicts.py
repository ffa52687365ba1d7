"""The fields that a server-side apply may not change, and their owners. Pure.

An API server refuses an apply that is not forced with a ``Status`` whose causes are one for each
field and owner (KEP-555).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from management.errors import printable
from management.kubernetes.validation import mappings

MAX_CONFLICTS = 100
"""Conflicts that are returned."""

MAX_CHARACTERS = 512
"""Characters of a field or an owner."""

CONFLICT_CAUSE = "FieldManagerConflict"

_OWNER = re.compile(r'conflict with "([^"]{1,256})"')
_SUBRESOURCE = re.compile(r'with subresource "([a-z]{1,64})"')


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """A field of an object, and the field manager that owns it."""

    field: str
    owner: str


def field_conflicts(details: Mapping[str, Any]) -> list[FieldConflict]:
    """Return the conflicts in a ``Status``' details, ordered by field; none for other refusals."""
    found = {
        _conflict(one)
        for one in mappings(details.get("causes"), MAX_CONFLICTS)
        if one.get("reason") == CONFLICT_CAUSE
    }
    return sorted(found, key=lambda one: (one.field, one.owner))


def _conflict(cause: Mapping[str, Any]) -> FieldConflict:
    message = printable(str(cause.get("message", ""))[: 2 * MAX_CHARACTERS])
    field = printable(str(cause.get("field", ""))[:MAX_CHARACTERS])
    owner = _OWNER.search(message)
    if owner is None:
        return FieldConflict(field, "another field manager")
    part = _SUBRESOURCE.search(message)
    through = f" (subresource {part[1]})" if part is not None else ""
    return FieldConflict(field, owner[1] + through)
