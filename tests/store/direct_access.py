"""What somebody does to the database behind the store's back."""

import sqlite3

import asyncpg


async def execute(url: str, statement: str) -> None:
    """Run a statement behind the store's back."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as lite:
            lite.execute(statement)
        return
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


async def tables(url: str) -> set[str]:
    """The names of the tables that exist."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as lite:
            return {name for (name,) in lite.execute("SELECT name FROM sqlite_master")}
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    await connection.close()
    return {row[0] for row in rows}
