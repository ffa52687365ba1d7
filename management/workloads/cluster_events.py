"""What a cluster reports about a workload and its parts: its events."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from management.kubernetes.validation import mapping, moment, number, text
from management.workloads.rows import MAX_MESSAGE, Row

MAX_EVENTS = 100
"""Events that are shown: the newest."""


def event_rows(events: Iterable[Mapping[str, Any]], uids: Collection[str]) -> list[Row]:
    """Return the events about the objects with ``uids``, the newest first."""
    found = []
    for one in events:
        about = mapping(one.get("involvedObject"))
        if about.get("uid") in uids:
            last = _last_seen(one)
            found.append((last.timestamp() if last else 0.0, _row(one, about, last)))
    found.sort(key=lambda pair: pair[0], reverse=True)
    return [row for _, row in found[:MAX_EVENTS]]


def _row(event: Mapping[str, Any], about: Mapping[str, Any], last: datetime | None) -> Row:
    first = moment(event.get("firstTimestamp")) or moment(event.get("eventTime"))
    series = mapping(event.get("series"))
    return {
        "type": text(event.get("type"), 40) or "",
        "reason": text(event.get("reason"), 100) or "",
        "message": text(event.get("message"), 2 * MAX_MESSAGE) or "",
        "count": max(number(event.get("count"), 1), number(series.get("count"), 1)),
        "first_seen": first.isoformat() if first else None,
        "last_seen": last.isoformat() if last else None,
        "object": {
            "kind": text(about.get("kind"), 100) or "",
            "name": text(about.get("name")) or "",
        },
    }


def _last_seen(event: Mapping[str, Any]) -> datetime | None:
    series = mapping(event.get("series"))
    times = (
        series.get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        mapping(event.get("metadata")).get("creationTimestamp"),
    )
    return next((found for found in map(moment, times) if found is not None), None)
