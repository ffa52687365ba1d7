"""Logs of JSON lines that a running program writes."""

import json
from collections.abc import Callable
from typing import Any

from tests.support.sekisho import Sekisho
from tests.support.waiting import wait_until

Event = dict[str, Any]


def events_of(text: str) -> list[Event]:
    """Return the events of a log, without the last line while it is being written."""
    complete, _, _ = text.rpartition("\n")
    return [json.loads(line) for line in complete.split("\n") if line]


def audit_events(server: Sekisho) -> list[Event]:
    """Return the events in a server's audit log so far. They are written some time later."""
    log = server.folder / "data" / "audit.log"
    return events_of(log.read_text()) if log.exists() else []


def await_audit_event(server: Sekisho, wanted: str | Callable[[Event], bool]) -> Event:
    """Wait until the event of a request, given by its id, or a wanted event is in the audit log."""
    found: list[Event] = []

    def is_wanted(event: Event) -> bool:
        return event["auditID"] == wanted if isinstance(wanted, str) else wanted(event)

    def is_logged() -> bool:
        found[:] = filter(is_wanted, audit_events(server))
        return bool(found)

    wait_until(is_logged, what=lambda: f"the event {wanted}, after {audit_events(server)[-5:]}")
    return found[0]
