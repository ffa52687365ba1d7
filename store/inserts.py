"""INSERT … ON CONFLICT, in the dialect of each database."""

from typing import Any

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection


def insert_missing(connection: AsyncConnection, table: Table) -> Any:
    """Return an INSERT for ``table`` that ignores existing rows, without values."""
    return insert_or(connection, table).on_conflict_do_nothing()


def insert_or(connection: AsyncConnection, table: Table) -> Any:
    """Return an INSERT for ``table`` to which the action for existing rows can be added."""
    # Each dialect's package imports all of its installed drivers, so only one is imported.
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as insert_postgresql

        return insert_postgresql(table)
    from sqlalchemy.dialects.sqlite import insert as insert_sqlite

    return insert_sqlite(table)
