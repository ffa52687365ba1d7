"""Copies of a SQLite database in PostgreSQL."""

import asyncio
import secrets
import sqlite3
from pathlib import Path

import pytest

from store.database import open_store, upgrade_database
from store.encryption import Keyring
from store.errors import Conflict, SchemaTooNew, SchemaTooOld, StoreError, StoreUnavailable
from store.locations import Location, locate
from store.transfer.migration import copy_database
from store.transfer.portability import MOST_NAMED, NotPortable
from store.transfer.shapes import AUDIT_TABLES, TableShape, current_shapes, is_wide
from store.transfer.snapshot import open_snapshot
from store.transfer.target import Mismatch, Target, open_target
from tests.store.direct_access import execute, rows, tables
from tests.store.test_audit_events import an_event
from tests.store.transfer.full_database import fill
from tests.support.other_connection import other_connection


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'sekisho.db'}"


async def _content(location: Location) -> dict[str, list[tuple[object, ...]]]:
    async with open_snapshot(location) as snapshot:
        return {
            shape.name: sorted(
                [tuple(row) async for batch in snapshot.batches(shape) for row in batch], key=repr
            )
            for shape in snapshot.shapes
        }


async def test_copy_has_every_row_and_serves(
    sqlite_url: str, postgres_database: str, keyring: Keyring
) -> None:
    await fill(sqlite_url, keyring)
    source, target = locate(sqlite_url), locate(postgres_database)
    before = await _content(source)
    copied = await copy_database(source, target)
    assert set(copied) == {one.name for one in current_shapes()}
    assert copied == {name: len(found) for name, found in before.items()}
    assert min(copied.values()) >= 3
    assert await _content(target) == before
    assert await _content(source) == before
    store = await open_store(postgres_database, keyring)
    try:
        cluster = await store.clusters.get("c-prod")
        assert cluster is not None
        assert cluster.controller_token == "controller-secret"
        await store.audit.append([an_event(1)])  # numbered after those that were copied
    finally:
        await store.close()
    [newest] = await rows(postgres_database, "SELECT max(seq) FROM audit_events")
    assert newest == (10,)


async def test_target_with_rows_is_refused_and_unchanged(
    sqlite_url: str, postgres_database: str, keyring: Keyring
) -> None:
    await upgrade_database(sqlite_url)
    await (await open_store(postgres_database, keyring)).close()
    with pytest.raises(Conflict, match=r"not empty .table secrets"):
        await copy_database(locate(sqlite_url), locate(postgres_database))
    assert await rows(postgres_database, "SELECT name FROM secrets") == [("keyring-check",)]


async def test_second_migration_at_the_same_time_is_refused(
    tmp_path: Path, postgres_database: str, keyring: Keyring
) -> None:
    sources = [f"sqlite:///{tmp_path / name}" for name in ("a.db", "b.db")]
    for url in sources:
        await fill(url, keyring)
    target = locate(postgres_database)
    copies = [copy_database(locate(url), target) for url in sources]
    done = await asyncio.gather(*copies, return_exceptions=True)
    [refused] = [one for one in done if not isinstance(one, dict)]
    assert isinstance(refused, Conflict)
    assert "is not empty" in str(refused)


async def test_target_with_tables_of_another_program_is_refused(
    sqlite_url: str, postgres_database: str
) -> None:
    await upgrade_database(sqlite_url)
    await execute(postgres_database, "CREATE TABLE users (id integer)")
    with pytest.raises(Conflict, match=r"not empty .table users"):
        await copy_database(locate(sqlite_url), locate(postgres_database))


async def test_source_in_use_is_refused_and_target_stays_empty(
    sqlite_url: str, postgres_database: str, keyring: Keyring
) -> None:
    store = await open_store(sqlite_url, keyring)
    try:
        with pytest.raises(StoreUnavailable, match="is in use: stop the server"):
            await copy_database(locate(sqlite_url), locate(postgres_database))
    finally:
        await store.close()
    assert await tables(postgres_database) == set()


async def test_file_is_in_use_as_soon_as_its_store_is_open(
    sqlite_url: str, keyring: Keyring
) -> None:
    store = await open_store(sqlite_url, keyring)
    try:
        file = sqlite_url.removeprefix("sqlite:///")
        async with other_connection(file, timeout=0) as other:
            await other.execute("PRAGMA locking_mode=EXCLUSIVE")
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                await other.execute("BEGIN EXCLUSIVE")
    finally:
        await store.close()


@pytest.mark.parametrize(("revision", "error"), [("0018", SchemaTooOld), ("9999", SchemaTooNew)])
async def test_source_of_another_version_is_refused(
    sqlite_url: str, postgres_database: str, revision: str, error: type[StoreError]
) -> None:
    await upgrade_database(sqlite_url)
    await execute(sqlite_url, f"UPDATE alembic_version SET version_num = '{revision}'")
    with pytest.raises(error, match=revision):
        await copy_database(locate(sqlite_url), locate(postgres_database))
    assert await tables(postgres_database) == set()


async def test_row_that_differs_when_it_is_read_back_is_reported(
    sqlite_url: str, keyring: Keyring, tmp_path: Path
) -> None:
    await fill(sqlite_url, keyring)
    copy = locate(f"sqlite:///{tmp_path / 'copy.db'}")
    await upgrade_database(str(copy.url.set(drivername="sqlite")))
    [users] = [one for one in current_shapes() if one.name == "users"]
    async with open_snapshot(locate(sqlite_url)) as snapshot:
        [batch] = [one async for one in snapshot.batches(users)]
    read = [dict(row._mapping) for row in batch]
    async with open_target(copy) as target:
        await target.insert(users, read)
        await target.verify(users, read)
        with pytest.raises(Mismatch, match="a row of users differs"):
            await _verify_changed(target, users, read)


async def _verify_changed(target: Target, users: TableShape, read: list[dict[str, object]]) -> None:
    await target.verify(users, [{**read[0], "display_name": "Mallory"}, *read[1:]])


async def test_other_pairs_of_databases_are_refused(
    sqlite_url: str, postgres_database: str
) -> None:
    for source, target in ((sqlite_url, sqlite_url), (postgres_database, postgres_database)):
        with pytest.raises(StoreError, match="only to PostgreSQL"):
            await copy_database(locate(source), locate(target))


def _columns(kind: str) -> list[tuple[TableShape, str]]:
    return [
        (shape, name)
        for shape in current_shapes()
        for name, one in shape.columns
        if one == kind and name != shape.serial
    ]


REFUSED = {
    "has a NUL character": ("CAST(X'610062' AS TEXT)", [*_columns("text"), *_columns("json")]),
    "has invalid UTF-8": ("CAST(X'61FF' AS TEXT)", [*_columns("text"), *_columns("json")]),
    "has invalid UTF-8 (a surrogate)": ("CAST(X'EDA080' AS TEXT)", _columns("text")),
    "is no text": ("X'6162'", [*_columns("text"), *_columns("time"), *_columns("json")]),
    "is no time": ("'10000-01-01 00:00:00.000000'", _columns("time")),
    "is no JSON": ("'[NaN]'", _columns("json")),
    "is over 32 bits": (
        "4294967301",
        [one for one in _columns("integer") if not is_wide(one[0].name, one[1])],
    ),
    "is no whole number": ("1.5", [*_columns("integer"), *_columns("boolean")]),
    "is neither 0 nor 1": ("2", _columns("boolean")),
    "is no number": ("'many'", [*_columns("integer"), *_columns("float")]),
}


@pytest.mark.parametrize("reason", REFUSED)
async def test_values_that_postgresql_refuses_are_all_named_before_anything_is_copied(
    sqlite_url: str, postgres_database: str, keyring: Keyring, reason: str
) -> None:
    value, columns = REFUSED[reason]
    assert columns
    await fill(sqlite_url, keyring)
    main = Path(sqlite_url.removeprefix("sqlite:///"))
    wanted = set()
    for shape, column in columns:
        beside = locate(sqlite_url).beside("audit").file
        file = str(beside if shape.name in AUDIT_TABLES else main)
        last = f'SELECT max(rowid) FROM "{shape.name}"'
        change = f'UPDATE "{shape.name}" SET "{column}" = {value} WHERE rowid = ({last})'
        await execute(f"sqlite:///{file}", change)
        wanted.add((shape.name, column))
    with pytest.raises(NotPortable) as caught:
        await copy_database(locate(sqlite_url), locate(postgres_database))
    head, *lines = caught.value.lines
    assert "nothing was copied" in head
    named = {
        (line.split(" ", 1)[0], one.split(" ", 1)[0])
        for line in lines
        for one in line.rpartition(": ")[2].split(", ")
    }
    assert wanted <= named
    assert all(reason.partition(" (")[0] in line or "refers to" in line for line in lines)
    assert await tables(postgres_database) == set()


async def test_row_without_its_parent_is_named(
    sqlite_url: str, postgres_database: str, keyring: Keyring
) -> None:
    await fill(sqlite_url, keyring)
    await execute(sqlite_url, "DELETE FROM users WHERE id = 'u-alice'")
    with pytest.raises(NotPortable, match="a row of users that does not exist") as caught:
        await copy_database(locate(sqlite_url), locate(postgres_database))
    assert any(line.startswith("tokens with name='token-a'") for line in caught.value.lines)


async def test_row_that_only_postgresql_refuses_is_named_without_its_value(
    sqlite_url: str, postgres_database: str, keyring: Keyring
) -> None:
    """An index's row has a limit in PostgreSQL, which depends on how text is compressed."""
    await fill(sqlite_url, keyring)
    long = secrets.token_hex(8_000)
    await execute(sqlite_url, f"UPDATE users SET username = '{long}' WHERE id = 'u-alice'")
    with pytest.raises(NotPortable, match="users with id='u-alice': ") as caught:
        await copy_database(locate(sqlite_url), locate(postgres_database))
    assert long[:20] not in str(caught.value)
    assert await tables(postgres_database) == set()


async def test_many_rows_that_cannot_be_stored_are_counted(
    sqlite_url: str, postgres_database: str, keyring: Keyring
) -> None:
    await fill(sqlite_url, keyring, rows=MOST_NAMED + 10)
    await execute(sqlite_url, "UPDATE roles SET description = CAST(X'00' AS TEXT)")
    with pytest.raises(NotPortable) as caught:
        await copy_database(locate(sqlite_url), locate(postgres_database))
    assert len(caught.value.lines) == MOST_NAMED + 2
    assert caught.value.lines[-1] == "and 10 others"
