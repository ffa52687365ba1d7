"""The database's clock, by which leases of all replicas expire."""

from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection


async def database_time(connection: AsyncConnection) -> datetime:
    """Return the database's time. SQLite's is this machine's."""
    if connection.dialect.name != "postgresql":
        return datetime.now(UTC)
    found: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
    return found.astimezone(UTC)
