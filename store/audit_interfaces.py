"""Protocol of the searchable audit log. No SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from store.audit_records import (
    AuditCursor,
    AuditEvent,
    AuditFilter,
    AuditPage,
    AuditScope,
    AuditTail,
)


class AuditEvents(Protocol):
    """Events of all replicas and workers, with a bounded number of rows."""

    async def append(self, events: Sequence[AuditEvent]) -> None:
        """Store events, with the projects that their namespaces are in now."""

    async def page(
        self, scope: AuditScope, wanted: AuditFilter, *, limit: int, after: AuditCursor | None
    ) -> AuditPage:
        """Return at most ``limit`` events of ``scope``, the newest first."""

    async def tail(
        self, scope: AuditScope, wanted: AuditFilter, *, limit: int, seq: int | None
    ) -> AuditTail:
        """Return events of ``scope`` that were stored after ``seq``, the oldest first.

        No event is skipped or returned twice. None for ``seq``: no events, only the position.
        """

    async def by_request_id(
        self, request_id: str, scope: AuditScope | None = None
    ) -> Sequence[AuditEvent]:
        """Return the newest events with that request id, oldest first.

        Clients may choose request ids, so they may belong to several requests.
        """

    async def prune(self, before: datetime, max_events: int) -> int:
        """Delete events that are older than ``before`` or too many. Return the number.

        If there are more than ``max_events``, those of the users with the most events go first.
        """
