"""Delete audit events that are too old or too many, in small transactions."""

import asyncio
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, select

from store.audit_table import audit_events
from store.connections import Database

PRUNE_BATCH = 1000
"""Events that one transaction deletes."""

PAUSE_SECONDS = 0.05
"""The pause between transactions, for other writers."""

USER_PART, ANONYMOUS_PART = 4, 8
"""The divisors of the limit that give what one user, and all requests without a user, may fill.

While others' events would be deleted, the events beyond that go first. So no user and no stranger
can push the events of others out."""

_TABLE = audit_events.c


async def prune(database: Database, before: datetime, max_events: int, batch: int) -> int:
    """Delete events that are older than ``before`` or too many. Return the number.

    One transaction deletes at most ``batch`` events.
    """
    removed = await _delete(database, _TABLE.at < before, None, batch)
    async with database.read() as connection:
        count = select(func.count()).select_from(audit_events)
        excess = (await connection.execute(count)).scalar_one() - max_events
    if excess <= 0:
        return removed
    for user_id, theirs in await _largest(database, max_events):
        part = USER_PART if user_id else ANONYMOUS_PART
        surplus = min(excess, theirs - max_events // part)
        if surplus > 0:
            gone = await _delete(database, _TABLE.user_id == user_id, surplus, batch)
            removed, excess = removed + gone, excess - gone
    if excess > 0:
        removed += await _delete(database, None, excess, batch)
    return removed


async def _largest(database: Database, max_events: int) -> list[tuple[str, int]]:
    """Return the users that may have more than their part, the largest first."""
    number = func.count().label("number")
    found = (
        select(_TABLE.user_id, number)
        .group_by(_TABLE.user_id)
        .having(number > max_events // ANONYMOUS_PART)
        .order_by(number.desc())
    )
    async with database.read() as connection:
        return [(row.user_id, row.number) for row in await connection.execute(found)]


async def _delete(
    database: Database, condition: ColumnElement[bool] | None, most: int | None, batch: int
) -> int:
    """Delete the oldest events that meet the condition, at most that many."""
    removed = 0
    while most is None or removed < most:
        size = batch if most is None else min(batch, most - removed)
        oldest = select(_TABLE.seq).order_by(_TABLE.at, _TABLE.seq).limit(size)
        if condition is not None:
            oldest = oldest.where(condition)
        async with database.write() as connection:
            gone = delete(audit_events).where(_TABLE.seq.in_(oldest.scalar_subquery()))
            number = int((await connection.execute(gone)).rowcount)
        removed += number
        if number < size:
            break
        await asyncio.sleep(PAUSE_SECONDS)
    return removed
