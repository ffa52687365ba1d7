"""An INSERT that leaves alone what is there already, in the database's own words."""

from typing import Any

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection


def insert_missing(connection: AsyncConnection, table: Table) -> Any:
    """Give it values, and execute it."""
    # Each dialect's package imports every driver of it that is installed: only the one in use.
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as insert_postgresql

        return insert_postgresql(table).on_conflict_do_nothing()
    from sqlalchemy.dialects.sqlite import insert as insert_sqlite

    return insert_sqlite(table).on_conflict_do_nothing()
