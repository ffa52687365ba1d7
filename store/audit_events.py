"""The searchable audit log, in SQL.

Pages are ordered by time. Two events of one time, and the tail, are ordered by a number that grows
with each commit: on PostgreSQL a lock serializes the writers, so that no lower number appears after
a higher one was read.
"""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, insert, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from store.audit_conditions import filter_condition, indexed_condition, scope_condition
from store.audit_database import AuditDatabase
from store.audit_pruning import PRUNE_BATCH, prune
from store.audit_records import (
    AuditCursor,
    AuditEvent,
    AuditFilter,
    AuditPage,
    AuditScope,
    AuditTail,
)
from store.audit_table import audit_events
from store.tables import is_storable, project_namespaces

MAX_EXAMINED = 50_000
"""Events of the scope that one page examines. A filter that matches few of them gets a page with
less than its limit, and continues on the next page."""

MAX_WITH_ONE_ID = 20
"""Events that are returned for one request id."""

_WRITER_LOCK = 0x5E_15_41
"""PostgreSQL's advisory lock that serializes the writers of events."""

_TABLE = audit_events.c
_FIELDS = tuple(one.name for one in fields(AuditEvent))
_STORED = tuple(one for one in _FIELDS if one != "seq")


class SqlAuditEvents:
    """A :class:`store.audit_interfaces.AuditEvents`.

    A page examines ``max_examined`` events; a transaction of pruning deletes ``prune_batch``.
    """

    def __init__(
        self,
        database: AuditDatabase,
        *,
        max_examined: int = MAX_EXAMINED,
        prune_batch: int = PRUNE_BATCH,
    ) -> None:
        self._database = database
        self._max_examined = max_examined
        self._prune_batch = prune_batch

    async def append(self, events: Sequence[AuditEvent]) -> None:
        """Store events, with the projects that their namespaces are in now."""
        if not events:
            return
        projects = await self._projects(events)
        rows = []
        for one in events:
            # Not asdict, which copies values recursively: it would cost as much as the insert.
            row = {name: getattr(one, name) for name in _STORED}
            row["project_id"] = one.project_id or projects.get((one.cluster_id, one.namespace), "")
            rows.append(row)
        async with (await self._database.get()).write() as connection:
            if connection.dialect.name == "postgresql":
                lock = text("SELECT pg_advisory_xact_lock(:key)")
                await connection.execute(lock, {"key": _WRITER_LOCK})
            await connection.execute(insert(audit_events), rows)

    async def page(
        self, scope: AuditScope, wanted: AuditFilter, *, limit: int, after: AuditCursor | None
    ) -> AuditPage:
        """Return at most ``limit`` events of ``scope``, the newest first."""
        examined = _examined(scope, wanted, after).limit(self._max_examined)
        found = _matching(examined, wanted).limit(limit + 1)
        async with (await self._database.get()).read() as connection:
            events = [_event(row) for row in await connection.execute(found)]
            if len(events) > limit:
                last = events[limit - 1]
                return AuditPage(tuple(events[:limit]), AuditCursor(last.at, last.seq))
            return AuditPage(tuple(events), await self._rest(connection, examined))

    async def tail(
        self, scope: AuditScope, wanted: AuditFilter, *, limit: int, seq: int | None
    ) -> AuditTail:
        """Return events of ``scope`` that were stored after ``seq``, the oldest first."""
        async with (await self._database.get()).read() as connection:
            newest = (await connection.execute(select(func.max(_TABLE.seq)))).scalar() or 0
            if seq is None or newest <= seq:
                return AuditTail((), newest if seq is None else seq)
            # By the number: few events are new.
            seen = scope_condition(_TABLE, scope, by_index=False)
            found = (
                select(audit_events)
                .where(_TABLE.seq > seq, _TABLE.seq <= newest, seen)
                .where(indexed_condition(_TABLE, wanted), filter_condition(_TABLE, wanted))
                .order_by(_TABLE.seq)
                .limit(limit)
            )
            events = tuple(_event(row) for row in await connection.execute(found))
        return AuditTail(events, events[-1].seq if len(events) == limit else newest)

    async def by_request_id(
        self, request_id: str, scope: AuditScope | None = None
    ) -> Sequence[AuditEvent]:
        """Return the newest events with that request id, oldest first."""
        if not is_storable(request_id):
            return ()
        everything = AuditScope(everything=True)
        found = (
            select(audit_events)
            .where(_TABLE.request_id == request_id, scope_condition(_TABLE, scope or everything))
            .order_by(_TABLE.seq.desc())
            .limit(MAX_WITH_ONE_ID)
        )
        async with (await self._database.get()).read() as connection:
            return [_event(row) for row in await connection.execute(found)][::-1]

    async def prune(self, before: datetime, max_events: int) -> int:
        """Delete events that are older than ``before`` or too many. Return the number."""
        return await prune(await self._database.get(), before, max_events, self._prune_batch)

    async def _rest(self, connection: AsyncConnection, examined: Select[Any]) -> AuditCursor | None:
        """Return where the next page begins, if there may be more than what was examined."""
        columns = examined.with_only_columns(_TABLE.at, _TABLE.seq)
        last = columns.offset(self._max_examined - 1).limit(1)
        row = (await connection.execute(last)).one_or_none()
        return AuditCursor(row.at, row.seq) if row is not None else None

    async def _projects(self, events: Sequence[AuditEvent]) -> dict[tuple[str, str], str]:
        """Return the project of each namespace in ``events``."""
        pairs = {(one.cluster_id, one.namespace) for one in events if one.namespace}
        if not pairs:
            return {}
        inside = project_namespaces.c
        found = select(inside.cluster_id, inside.namespace, inside.project_id).where(
            tuple_(inside.cluster_id, inside.namespace).in_(sorted(pairs)),
            inside.project_id.is_not(None),
        )
        async with self._database.main.read() as connection:
            rows = await connection.execute(found)
            return {(row.cluster_id, row.namespace): row.project_id for row in rows}


def _examined(scope: AuditScope, wanted: AuditFilter, after: AuditCursor | None) -> Select[Any]:
    """Return the query of the events that a page may examine, the newest first."""
    found = select(audit_events).where(
        scope_condition(_TABLE, scope), indexed_condition(_TABLE, wanted)
    )
    if after is not None:
        # The first condition is for the index, the second for events of the same time.
        found = found.where(
            _TABLE.at <= after.at, (_TABLE.at < after.at) | (_TABLE.seq < after.seq)
        )
    return found.order_by(_TABLE.at.desc(), _TABLE.seq.desc())


def _matching(examined: Select[Any], wanted: AuditFilter) -> Select[Any]:
    rows = examined.subquery()
    return (
        select(rows)
        .where(filter_condition(rows.c, wanted))
        .order_by(rows.c.at.desc(), rows.c.seq.desc())
    )


def _event(row: Any) -> AuditEvent:
    values = row._mapping
    return AuditEvent(**{name: values[name] for name in _FIELDS})
