"""Select the events that can be searched, and hold them until they are stored.

A request pays for one look at its cached decision; only selected requests are converted. The number
of events in a minute is bounded, for each user, for requests without a user, and in all, and so is
the memory of those that wait. Nothing waits for the store.
"""

from collections import deque
from collections.abc import Callable, Mapping

from management.http.request_notes import REJECTED
from proxy.audit.policy import AuditPolicy
from proxy.audit.search_event import is_sign_in, search_event
from proxy.request.context import RequestContext
from store.audit_records import AuditEvent, AuditStage

MAX_WAITING_BYTES = 8 * 1024**2
"""Bytes of events that may wait for the store, approximately."""

EVENT_BYTES = 2048
"""The memory of an event in addition to its long texts, approximately."""

REFUSED = frozenset({401, 403, 404})
"""The codes of refusals. A 404 is one if Sekisho sends it, for what the caller may not see."""

MINUTE = 60.0

USER_PART, ANONYMOUS_PART = 2, 16
"""The divisors of the events in a minute that give what one user may cause, and what refused
sign-ins and other requests without a user may cause, each."""


class AuditIndex:
    """The events that wait for the store. ``clock`` is monotonic, in seconds.

    ``dropped`` is called with the reason for each event that is not stored: ``rate`` or ``store``.
    """

    def __init__(
        self,
        policy: AuditPolicy,
        *,
        commands: bool,
        max_per_minute: int,
        clock: Callable[[], float],
        dropped: Callable[[str], None],
    ) -> None:
        self._policy = policy
        self._commands = commands
        self._most = max_per_minute
        self._clock = clock
        self.dropped = dropped
        self._minute_ends = clock() + MINUTE
        self._in_minute = 0
        self._of: dict[str, int] = {}
        self._waiting: deque[AuditEvent] = deque()
        self._bytes = 0

    def offer(
        self, access: RequestContext, stage: AuditStage, notes: Mapping[str, str] | None
    ) -> None:
        """Queue the event of a request that the log records, if it can be searched."""
        if not self._selects(access, notes):
            return
        if not self._admits(access, notes or {}):
            self.dropped("rate")
            return
        at = self._at(access, stage)
        event = search_event(access, stage, at, commands=self._commands, notes=notes)
        size = _size(event)
        if self._bytes + size > MAX_WAITING_BYTES:
            self.dropped("store")
            return
        self._bytes += size
        self._waiting.append(event)

    def take(self, most: int) -> list[AuditEvent]:
        """Remove and return the oldest events, at most that many."""
        taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        self._bytes -= sum(map(_size, taken))
        return taken

    def put_back(self, events: list[AuditEvent]) -> None:
        """Return events that could not be stored to the front."""
        self._waiting.extendleft(reversed(events))
        self._bytes += sum(map(_size, events))

    def _selects(self, access: RequestContext, notes: Mapping[str, str] | None) -> bool:
        """Return whether the event can be searched: refusals and sign-ins always."""
        if access.status in REFUSED and (access.status != 404 or access.rejected):
            return True
        if notes is not None and is_sign_in(notes):
            return True
        fragments = access.log_fragments
        if fragments is None:
            return self._policy.audits(access)
        if fragments.searchable is None:
            fragments.searchable = self._policy.audits(access)
        return fragments.searchable

    def _admits(self, access: RequestContext, notes: Mapping[str, str]) -> bool:
        """Count the event. Return False if there are too many in this minute."""
        now = self._clock()
        if now >= self._minute_ends:
            self._minute_ends = now + MINUTE
            self._in_minute = 0
            self._of.clear()
        key = access.user or notes.get("user", "")
        part = USER_PART
        if not key:
            key, part = ("rejected" if REJECTED in notes else ""), ANONYMOUS_PART
        held = self._of.get(key, 0)
        if self._in_minute >= self._most or held >= max(1, self._most // part):
            return False
        self._of[key] = held + 1
        self._in_minute += 1
        return True

    def _at(self, access: RequestContext, stage: AuditStage) -> float:
        return access.received_at + (access.duration if stage == "ResponseComplete" else 0.0)


def _size(event: AuditEvent) -> int:
    return EVENT_BYTES + len(event.path) + len(event.reason) + len(event.details)
