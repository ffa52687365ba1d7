"""Look up many users at once: members of groups, and the names that a cluster has for users."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.records import UsernameMapping
from store.tables import is_storable, memberships, principals, users

BATCH = 500
"""Values in one query: databases limit the number of parameters."""


async def members_of(
    connection: AsyncConnection, group_ids: Sequence[str], limit: int
) -> list[tuple[str, str, str]]:
    """Return group id, group name and user id of memberships, at most ``limit``, in order."""
    found: list[tuple[str, str, str]] = []
    wanted = sorted({one for one in group_ids if is_storable(one)})
    for start in range(0, len(wanted), BATCH):
        rows = await connection.execute(
            select(memberships.c.id, memberships.c.name, memberships.c.user_id)
            .where(memberships.c.id.in_(wanted[start : start + BATCH]))
            .order_by(memberships.c.id, memberships.c.user_id)
            .limit(limit - len(found))
        )
        found += [(row.id, row.name, row.user_id) for row in rows]
        if len(found) >= limit:
            break
    return found


def known_by(mapping: UsernameMapping, names: Sequence[str]) -> list[ColumnElement[bool]]:
    """Return conditions for the users that a cluster knows by one of ``names``, in batches."""
    wanted = sorted({one for one in names if is_storable(one)})
    batches = [wanted[start : start + BATCH] for start in range(0, len(wanted), BATCH)]
    if mapping == "id":
        return [users.c.id.in_(batch) for batch in batches]
    name: ColumnElement[str] = principals.c.id
    if mapping == "username":
        # As impersonation.username_mapping.username_for_cluster writes it.
        name = principals.c.provider + literal(":") + principals.c.name
    return [
        users.c.id.in_(select(principals.c.user_id).where(name.in_(batch))) for batch in batches
    ]
