"""Differences between what exists and the documents, as unified diffs. Pure."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from proxy.cli.apply.changes import Change
from proxy.cli.apply.observed import Existing
from proxy.cli.apply.yaml_text import yaml_text
from proxy.cli.common import plain

CONTEXT = 2
"""Unchanged lines around a difference."""


def diff_text(changes: Sequence[Change]) -> str:
    """Return the unified diffs of all changes; empty if there are none."""
    return "".join(line for one in changes if one.action != "keep" for line in _lines(one))


def _lines(change: Change) -> Iterator[str]:
    before, after = _before(change), _after(change)
    place = f" ({change.document.place})" if change.document is not None else ""
    old = "/dev/null" if change.action == "create" else change.shown
    new = "/dev/null" if change.action == "delete" else f"{change.shown}{place}"
    # Names may come from others: one line, without control characters.
    yield from difflib.unified_diff(before, after, plain(old), plain(new), n=CONTEXT)


def _before(change: Change) -> list[str]:
    found = change.existing
    if found is None:
        return []
    if change.content is None:
        return _text(found.labels, {**_holder(found), **found.content})
    return _text(found.labels, {key: found.content.get(key) for key in change.content})


def _after(change: Change) -> list[str]:
    if change.document is None:
        return []
    whole = change.document.spec if change.action == "create" else {}
    return _text(change.labels, {**whole, **(change.content or {})})


def _holder(found: Existing) -> dict[str, Any]:
    """Return the role of a binding or member, and who holds it."""
    if "role" not in found.kind.fields:
        return {}
    item = found.item
    holder = {"group": item["group"]} if item["group"] else {"user": item.get("username")}
    return {"role": item["role"], **holder}


def _text(labels: Mapping[str, str], content: Mapping[str, Any]) -> list[str]:
    shown = {"labels": dict(labels), **dict(sorted(content.items()))}
    shown = {key: value for key, value in shown.items() if value not in ({}, [], "", None)}
    return yaml_text([shown]).splitlines(keepends=True) if shown else []
