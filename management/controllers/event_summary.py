"""Events of a cluster that somebody should know of, summed up. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

MOST_SHOWN = 20
MOST_CHARACTERS = 200


def event_data(event: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of an Event (core/v1)."""
    about = event.get("involvedObject") or {}
    series = event.get("series") or {}
    last = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return {
        "type": event.get("type"),
        "reason": event.get("reason"),
        "kind": about.get("kind"),
        "namespace": about.get("namespace"),
        "name": about.get("name"),
        "message": str(event.get("message") or "")[:MOST_CHARACTERS],
        "count": int(series.get("count") or event.get("count") or 1),
        "last_at": last or (event.get("metadata") or {}).get("creationTimestamp"),
    }


def summary(events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """How many there are, by reason, and the latest."""
    found = list(events)
    by_reason: dict[str, int] = {}
    for one in found:
        reason = str(one["reason"])
        by_reason[reason] = by_reason.get(reason, 0) + one["count"]
    latest = sorted(found, key=lambda one: str(one["last_at"]), reverse=True)
    return {
        "total": sum(by_reason.values()),
        "by_reason": dict(sorted(by_reason.items(), key=_often)[:MOST_SHOWN]),
        "latest": latest[:MOST_SHOWN],
    }


def _often(pair: tuple[str, int]) -> tuple[int, str]:
    return -pair[1], pair[0]
