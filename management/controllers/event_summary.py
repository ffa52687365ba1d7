"""A summary of the warning events of a cluster. Pure.

A cluster's events are not trusted: each field is checked and cut.
"""

import heapq
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from management.kubernetes.validation import mapping, moment, number, text

MAX_SHOWN = 20
MAX_CHARACTERS = 200

MAX_EVENTS = 2000
"""Events in the summary: the newest."""

_UNKNOWN_TIME = datetime.min.replace(tzinfo=UTC)


def event_data(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that are kept of an Event (core/v1)."""
    involved = mapping(event.get("involvedObject"))
    series = mapping(event.get("series"))
    last = (
        text(series.get("lastObservedTime"), 64)
        or text(event.get("lastTimestamp"), 64)
        or text(event.get("eventTime"), 64)
        or text(mapping(event.get("metadata")).get("creationTimestamp"), 64)
    )
    return {
        "type": text(event.get("type"), 64),
        "reason": text(event.get("reason"), 128),
        "kind": text(involved.get("kind"), 64),
        "namespace": text(involved.get("namespace")),
        "name": text(involved.get("name")),
        "message": text(event.get("message"), MAX_CHARACTERS) or "",
        "count": number(series.get("count"), 0) or number(event.get("count"), 0) or 1,
        "last_at": last,
    }


def newness(event: Mapping[str, Any]) -> tuple[datetime, str]:
    """Return a sort key: newer events have a greater one. Malformed times are the oldest."""
    last = event["last_at"]
    return moment(last) or _UNKNOWN_TIME, last or ""


def summary(events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the numbers of the newest events by reason, and the latest events."""
    newest = heapq.nlargest(MAX_EVENTS, events, key=newness)
    by_reason: dict[str, int] = {}
    for one in newest:
        reason = str(one["reason"])
        by_reason[reason] = by_reason.get(reason, 0) + one["count"]
    return {
        "total": sum(by_reason.values()),
        "by_reason": dict(sorted(by_reason.items(), key=_most_frequent_first)[:MAX_SHOWN]),
        "latest": newest[:MAX_SHOWN],
    }


def _most_frequent_first(pair: tuple[str, int]) -> tuple[int, str]:
    return -pair[1], pair[0]
