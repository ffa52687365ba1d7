"""Reading grants, in SQL."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from store.interfaces import Grant
from store.tables import grants


async def grants_of_user(connection: AsyncConnection, user_id: str) -> list[Grant]:
    """Where a user may enter."""
    wanted = select(grants).where(grants.c.user_id == user_id).order_by(grants.c.cluster_id)
    return [grant_of(row) for row in await connection.execute(wanted)]


def grant_of(row: Any) -> Grant:
    """A row of the table as a record."""
    return Grant(row.cluster_id, row.user_id, row.role)
