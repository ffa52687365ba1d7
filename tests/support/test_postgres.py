"""The PostgreSQL part gives each test a database of its own."""

import asyncpg


async def test_a_database_is_fresh_and_empty(postgres_database: str) -> None:
    connection = await asyncpg.connect(postgres_database)
    try:
        tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert await connection.fetchval(tables) == 0
        assert await connection.fetchval("SELECT current_user") == "sekisho"
        await connection.execute("CREATE TABLE left_behind ()")
    finally:
        await connection.close()


async def test_open_connections_do_not_keep_it(postgres_url: str, postgres_database: str) -> None:
    assert postgres_database.rpartition("/")[0] == postgres_url.rpartition("/")[0]
    assert postgres_database != postgres_url
