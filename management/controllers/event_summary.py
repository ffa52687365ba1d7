"""The newest events of a cluster, and a summary of its warnings. Pure.

A cluster's events are not trusted: each field is checked and cut.
"""

import heapq
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from management.controllers.informer_store import Key
from management.kubernetes.validation import mapping, moment, number, text

MAX_SHOWN = 20
MAX_CHARACTERS = 200

MAX_EVENTS = 2000
"""Events in the summary: the newest."""

MAX_REPORTED = 200
"""Events of each kind, warnings and others, in the report that the API shows: the newest."""

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


def newest_events(events: Mapping[Key, Mapping[str, Any]], most: int) -> list[dict[str, Any]]:
    """Return the newest events, with an ``id`` that is unique in the cluster, and times in UTC."""
    newest = heapq.nlargest(most, events.items(), key=lambda pair: newness(pair[1]))
    return [
        {"id": f"{namespace}/{name}", **one, "last_at": _utc(one["last_at"])}
        for (namespace, name), one in newest
    ]


def _utc(when: str | None) -> str | None:
    """Return a time in one form, so that texts have the order of their times."""
    found = moment(when)
    return found.isoformat(timespec="microseconds") if found is not None else None


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
