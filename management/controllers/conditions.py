"""Conditions with the time of their last transition, as in Kubernetes."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

MAX_MESSAGE = 300
"""Characters of a message."""


class Conditions:
    """Conditions by type. Each is true, or false with a reason and a message."""

    def __init__(self) -> None:
        self._conditions: dict[str, dict[str, Any]] = {}

    def resume(self, stored: Iterable[Mapping[str, Any]]) -> None:
        """Continue from stored conditions: since when each has its value."""
        self._conditions = {one["type"]: dict(one) for one in stored}

    def set(self, kind: str, is_true: bool, reason: str = "", message: str = "") -> None:
        """Set a condition. ``reason`` and ``message`` count only if it is false."""
        status = "True" if is_true else "False"
        before = self._conditions.get(kind)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        if before is not None and before["status"] == status:
            since = before["since"]
        self._conditions[kind] = {
            "type": kind,
            "status": status,
            "reason": "" if is_true else reason,
            "message": "" if is_true else message[:MAX_MESSAGE],
            "since": since,
        }

    def remove(self, kind: str) -> None:
        """Remove a condition, whose value is not known any longer."""
        self._conditions.pop(kind, None)

    def shown(self) -> list[dict[str, Any]]:
        """Return the conditions in the order of their types."""
        return [self._conditions[kind] for kind in sorted(self._conditions)]
