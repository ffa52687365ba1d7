"""Settings that were renamed: an old key is an error that names the new key. Pure."""

from collections.abc import Mapping
from typing import Any

from config.errors import Problem
from config.problems import Origins, Path, dotted

RENAMED: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("gate",): ("upstream",),
    ("limits", "overload", "late_ms"): ("limits", "overload", "lag_threshold"),
    ("limits", "overload", "very_late_ms"): ("limits", "overload", "critical_lag"),
    ("limits", "overload", "small"): ("limits", "overload", "min_rate"),
    ("audit", "to"): ("audit", "output"),
    ("audit", "backups"): ("audit", "max_backups"),
}
"""The old path of a setting, or of a section with all its settings, and the new path."""

_DURATIONS = frozenset({("limits", "overload", "late_ms"), ("limits", "overload", "very_late_ms")})
"""Numbers of milliseconds that became durations with a unit."""


def reject_renamed(values: dict[str, Any], origins: Origins) -> list[Problem]:
    """Remove old keys from ``values`` and return one problem for each.

    They are removed so that validation does not report the same key again.
    """
    problems = []
    for old, new in RENAMED.items():
        for path in _take(values, old):
            place = origins.place(path)
            name = dotted((*new, *path[len(old) :]))
            if place.startswith("environment variable"):
                name += f" (SEKISHO_{name.replace('.', '__').upper()})"
            unit = ", a duration like 30ms" if old in _DURATIONS else ""
            problems.append(Problem(place, dotted(path), f"this setting is now {name}{unit}"))
    return problems


def _take(values: dict[str, Any], old: tuple[str, ...]) -> list[Path]:
    """Remove the value at ``old``. Return its path, or the paths of the settings in it."""
    *parents, last = old
    for part in parents:
        inner = values.get(part)
        if not isinstance(inner, dict):
            return []
        values = inner
    if last not in values:
        return []
    found = values.pop(last)
    if isinstance(found, dict) and found:
        return [(*old, str(name)) for name in found]
    return [old]
