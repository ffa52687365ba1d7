"""Direct access to the database, without the store."""

import sqlite3
from contextlib import closing

import asyncpg


async def execute(url: str, statement: str) -> None:
    """Run a statement without the store."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as lite, lite:
            lite.execute(statement)
        return
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


async def tables(url: str) -> set[str]:
    """Return the names of the existing tables."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as lite:
            return {name for (name,) in lite.execute("SELECT name FROM sqlite_master")}
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    await connection.close()
    return {row[0] for row in rows}


async def rows(url: str, query: str) -> list[tuple[object, ...]]:
    """Return the rows of a query."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as lite:
            return list(lite.execute(query))
    connection = await asyncpg.connect(url)
    found = await connection.fetch(query)
    await connection.close()
    return [tuple(row) for row in found]
