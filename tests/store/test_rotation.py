"""Tests of key rotation over the schema, beside running servers, and of its interruption."""

import asyncio
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Column, insert, select

from store.database import SqlStore, open_store
from store.encryption import Keyring, generate_key
from store.errors import StoreUnavailable
from store.sealed_values import SEALED_TABLES, is_replaced, sealed_columns, sealing_context
from store.tables import principals, users
from tests.store.direct_access import execute
from tests.store.encrypted_records import fill, rotated
from tests.store.records import NOW, a_cluster, a_user
from tests.support.sekisho import Sekisho, free_port, make_sekisho

MANY = 10_000
"""Sign-ins, whose rotation takes long enough to be killed."""

SEALED = [one for table in SEALED_TABLES for one in sealed_columns(table)]


async def envelopes(store: SqlStore) -> dict[str, list[bytes]]:
    """Return every encrypted value as it is stored, by column."""
    found = {}
    async with store._connections.read() as connection:
        for column in SEALED:
            rows = await connection.execute(select(column).where(column.is_not(None)))
            found[str(column)] = list(rows.scalars())
    return found


async def closed(store: SqlStore) -> list[str]:
    return [one.table for one in await store.check_sealed_values() if one.closed_count]


async def test_rotation_encrypts_every_column_of_the_schema_again(url: str) -> None:
    old, new = generate_key(), generate_key()
    store = await open_store(url, Keyring.parse(old))
    await fill(store)
    await store.close()
    keyring = Keyring.parse(f"{new},{old}")
    rotating = await open_store(url, keyring)
    before = await envelopes(rotating)
    assert all(before.values()), "fill() stores a value in every encrypted column"
    changed = await rotated(rotating)
    assert changed.keys() == {one.name for one in SEALED_TABLES}
    after = await envelopes(rotating)
    assert [name for name in after if any(map(keyring.needs_rotation, after[name]))] == []
    assert {name: len(one) for name, one in after.items()} == {
        name: len(one) for name, one in before.items()
    }
    await rotating.close()
    without_old = await open_store(url, Keyring.parse(new))
    assert await closed(without_old) == []
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    stored = await without_old.idempotency_records.begin(b"k" * 32, b"r" * 32, tomorrow)
    assert stored is not None
    assert stored.body == "{}"
    await without_old.close()


def no_envelope(url: str) -> str:
    """Return bytes that no key opens, in the SQL of the database."""
    return "X'0102'" if url.startswith("sqlite") else "'\\x0102'::bytea"


@pytest.mark.parametrize("column", [one for one in SEALED if not is_replaced(one)], ids=str)
async def test_value_that_no_key_opens_stops_a_rotation_before_any_change(
    store: SqlStore, url: str, column: Column[bytes]
) -> None:
    await fill(store)
    table, name = column.table.name, column.name
    await execute(url, f"UPDATE {table} SET {name} = {no_envelope(url)}")
    before = await envelopes(store)
    with pytest.raises(StoreUnavailable, match=f"no key opens {table}.{name} of "):
        await store.rotate_keys()
    assert await envelopes(store) == before


@pytest.mark.parametrize("column", [one for one in SEALED if is_replaced(one)], ids=str)
async def test_value_that_use_replaces_is_dropped_if_no_key_opens_it(
    store: SqlStore, url: str, column: Column[bytes]
) -> None:
    await fill(store)
    table, name = column.table.name, column.name
    await execute(url, f"UPDATE {table} SET {name} = {no_envelope(url)} WHERE {name} IS NOT NULL")
    [done] = [one for one in await store.rotate_keys() if one.changed]
    assert (done.table, done.changed, done.dropped, done.left) == (table, 1, 1, 0)
    assert (await envelopes(store))[str(column)] == []


def test_value_that_use_replaces_may_be_null() -> None:
    assert [one for one in SEALED if is_replaced(one) and not one.nullable] == []


async def test_rotation_beside_two_writing_replicas_loses_no_value(url: str) -> None:
    old, new = generate_key(), generate_key()
    filling = await open_store(url, Keyring.parse(old))
    for number in range(300):
        await filling.users.create(a_user(f"u{number}"))
        await filling.identities.seen(f"local://u-u{number}", NOW, f"first-{number}")
    await filling.clusters.create(a_cluster())
    await filling.close()
    one, two, rotating = [await open_store(url, Keyring.parse(f"{new},{old}")) for _ in range(3)]
    ended = asyncio.Event()

    async def write(store: SqlStore, numbers: range) -> int:
        rounds = 0
        while not ended.is_set() or not rounds:
            for number in numbers:
                await store.identities.seen(f"local://u-u{number}", NOW, f"new-{number}")
            found = await store.clusters.get("c-prod")
            assert found is not None
            assert found.impersonator_token == a_cluster().impersonator_token
            rounds += 1
        return rounds

    async def rotate() -> dict[str, int]:
        try:
            return await rotated(rotating)
        finally:
            ended.set()

    changed, *rounds = await asyncio.gather(
        rotate(), write(one, range(0, 300, 40)), write(two, range(1, 300, 40))
    )
    assert min(rounds) >= 1
    assert changed["clusters"] == 1
    for each in (one, two, rotating):
        await each.close()
    without_old = await open_store(url, Keyring.parse(new))
    assert await closed(without_old) == []
    for number in range(300):
        [principal] = await without_old.identities.of_user(f"u-u{number}")
        kind = "new" if number % 40 < 2 else "first"
        assert principal.secret == f"{kind}-{number}"
    await without_old.close()


async def test_records_that_a_replica_writes_with_the_old_key_are_left_and_counted(
    url: str,
) -> None:
    """It still has the keys in their old order, and writes while the rotation runs."""
    old, new = generate_key(), generate_key()
    outdated = await open_store(url, Keyring.parse(f"{old},{new}"))
    await fill(outdated)
    rotating = await open_store(url, Keyring.parse(f"{new},{old}"))
    cluster = await outdated.clusters.get("c-prod")
    assert cluster is not None
    found = {one.table: one for one in await rotating.rotate_keys()}
    assert {one.left for one in found.values()} == {0}
    await outdated.clusters.replace(replace(cluster, impersonator_token="again"))
    assert await rotated(rotating) == {"clusters": 1}
    await outdated.close()
    await rotating.close()


@pytest.fixture
def server(tmp_path: Path) -> Sekisho:
    return make_sekisho(tmp_path, (free_port(), free_port()))


async def test_killed_rotation_is_completed_by_the_next_one(server: Sekisho) -> None:
    old, new = generate_key(), generate_key()
    file = server.folder / "data" / "sekisho.db"
    file.parent.mkdir(mode=0o700)
    url = f"sqlite:///{file}"
    store = await open_store(url, Keyring.parse(old))
    await _fill_many(store, Keyring.parse(old), MANY)
    both = Keyring.parse(f"{new},{old}")
    server.environment["SEKISHO_STORE__ENCRYPTION_KEYS"] = f"{new},{old}"
    process = subprocess.Popen(
        [sys.executable, "-m", "proxy", "admin", "db", "rotate-keys"], env=server._environment()
    )
    try:
        while not (await _stale_count(store, both)) < MANY:
            assert process.poll() is None
        process.kill()
    finally:
        process.wait()
    left = await _stale_count(store, both)
    assert 0 < left < MANY
    await store.close()
    done = server.run("admin", "db", "rotate-keys")
    assert re.search(rf"principals +{left} +0 +0\n", done.stdout)
    assert "The first key encrypts every record now" in done.stdout
    without_old = await open_store(url, Keyring.parse(new))
    assert await closed(without_old) == []
    [principal] = await without_old.identities.of_user("u-7")
    assert principal.secret == "secret-7"
    await without_old.close()


async def _fill_many(store: SqlStore, keyring: Keyring, count: int) -> None:
    """Store that many sign-ins in one transaction."""
    (known,) = [a_user("x")]
    async with store._connections.write() as connection:
        await connection.execute(
            insert(users),
            [
                {
                    "id": f"u-{one}",
                    "username": f"u{one}",
                    "display_name": known.display_name,
                    "enabled": True,
                    "created_at": NOW,
                }
                for one in range(count)
            ],
        )
        context = partial(sealing_context, principals.c.secret)
        await connection.execute(
            insert(principals),
            [
                {
                    "id": f"local://u-{one}",
                    "user_id": f"u-{one}",
                    "provider": "local",
                    "name": f"u{one}",
                    "secret": keyring.encrypt(f"secret-{one}", context(f"local://u-{one}")),
                }
                for one in range(count)
            ],
        )


async def _stale_count(store: SqlStore, keyring: Keyring) -> int:
    async with store._connections.read() as connection:
        found = await connection.execute(select(principals.c.secret))
        return sum(map(keyring.needs_rotation, found.scalars()))
