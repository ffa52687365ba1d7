"""Direct access to the database, without the store."""

import asyncpg

from tests.support.other_connection import other_connection


async def execute(url: str, statement: str) -> None:
    """Run a statement without the store."""
    if url.startswith("sqlite"):
        async with other_connection(url.removeprefix("sqlite:///")) as lite:
            await lite.execute(statement)
        return
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


async def tables(url: str) -> set[str]:
    """Return the names of the existing tables."""
    if url.startswith("sqlite"):
        names = "SELECT name FROM sqlite_master"
    else:
        names = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    return {str(name) for (name,) in await rows(url, names)}


async def rows(url: str, query: str) -> list[tuple[object, ...]]:
    """Return the rows of a query."""
    if url.startswith("sqlite"):
        async with other_connection(url.removeprefix("sqlite:///")) as lite:
            return [tuple(row) for row in await lite.execute_fetchall(query)]
    connection = await asyncpg.connect(url)
    found = await connection.fetch(query)
    await connection.close()
    return [tuple(row) for row in found]
