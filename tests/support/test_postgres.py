"""The PostgreSQL fixture gives each test its own database."""

import asyncpg


async def test_database_is_new_and_empty(postgres_database: str) -> None:
    connection = await asyncpg.connect(postgres_database)
    try:
        tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert await connection.fetchval(tables) == 0
        assert await connection.fetchval("SELECT current_user") == "sekisho"
        await connection.execute("CREATE TABLE left_behind ()")
    finally:
        await connection.close()


async def test_database_is_dropped_with_open_connections(
    postgres_url: str, postgres_database: str
) -> None:
    assert postgres_database.rpartition("/")[0] == postgres_url.rpartition("/")[0]
    assert postgres_database != postgres_url
