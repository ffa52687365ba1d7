"""Migrations after the oldest kept release only expand, so two versions run side by side."""

import re

import pytest
from sqlalchemy import event

from store.database import open_store, upgrade_database
from store.encryption import Keyring
from store.engine import make_engines
from store.errors import SchemaTooNew
from store.locations import locate
from store.schema import HEAD, OLDEST_CODE, bring_up, create_older
from tests.store.direct_access import execute, rows
from tests.support.releases import RELEASES

KEYS = Keyring([b"k" * 32])

EXPANDING = (
    r"CREATE TABLE (?!.* AS )",
    r"CREATE INDEX ",  # a UNIQUE index could reject what the previous version writes
    r"ALTER TABLE \w+ ADD COLUMN (?!.*NOT NULL)",
    r"ALTER TABLE \w+ ADD COLUMN .*DEFAULT .*NOT NULL",
    r"(INSERT|SELECT|PRAGMA|UPDATE alembic_version)\b",
    r"(INSERT INTO|DELETE FROM) schema_support\b",
)
"""Statements that the previous version's code does not notice. See docs/upgrade.md."""

CONTRACTING: dict[str, str] = {}
"""Patterns of statements that remove something, each with the last schema whose code used it."""


def _previous() -> str:
    """Return the schema of the oldest release that is kept."""
    return RELEASES[0].schema


def _expands(statement: str) -> bool:
    flat = " ".join(statement.split())
    unused = [one for one, last in CONTRACTING.items() if last < _previous()]
    return any(re.match(one, flat) for one in (*EXPANDING, *unused))


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("ALTER TABLE x ADD COLUMN y TEXT", True),
        ("ALTER TABLE x ADD COLUMN y TEXT DEFAULT '' NOT NULL", True),
        ("ALTER TABLE x ADD COLUMN y TEXT NOT NULL", False),
        ("ALTER TABLE x RENAME COLUMN y TO z", False),
        ("ALTER TABLE x DROP COLUMN y", False),
        ("DROP TABLE x", False),
        ("CREATE UNIQUE INDEX x ON y (z)", False),
        ("DELETE FROM users", False),
        ("UPDATE users SET enabled = false", False),
    ],
)
def test_rule_tells_expanding_statements_from_others(statement: str, expected: bool) -> None:
    assert _expands(statement) is expected


async def test_migrations_since_the_previous_release_only_expand(url: str) -> None:
    location = locate(url)
    engines = make_engines(location)
    statements: list[str] = []
    try:
        async with engines.writer.begin() as connection:
            await create_older(connection, _previous())
            event.listen(
                engines.writer.sync_engine,
                "before_cursor_execute",
                lambda *values: statements.append(values[2]),
            )
            assert await bring_up(connection, location.shown, upgrade=True) == (_previous(), HEAD)
    finally:
        await engines.dispose()
    assert statements
    assert [one for one in statements if not _expands(one)] == []


@pytest.mark.parametrize("revision", [HEAD, RELEASES[0].schema])
async def test_restored_database_says_which_versions_work_with_it(url: str, revision: str) -> None:
    location = locate(url)
    engines = make_engines(location)
    try:
        async with engines.writer.begin() as connection:  # as a restore does
            await create_older(connection, revision)
            await bring_up(connection, location.shown, upgrade=True)
    finally:
        await engines.dispose()
    assert await rows(url, "SELECT oldest_code FROM schema_support") == [(OLDEST_CODE,)]


async def test_newer_schema_that_supports_this_version_is_used_unchanged(url: str) -> None:
    await upgrade_database(url)
    assert await rows(url, "SELECT oldest_code FROM schema_support") == [(OLDEST_CODE,)]
    await execute(url, "UPDATE alembic_version SET version_num = '9998'")
    await execute(url, f"UPDATE schema_support SET oldest_code = '{HEAD}'")
    assert await upgrade_database(url) == ("9998", "9998")
    await (await open_store(url, KEYS)).close()
    await execute(url, "UPDATE schema_support SET oldest_code = '9997'")
    with pytest.raises(SchemaTooNew, match="9998"):
        await open_store(url, KEYS)
