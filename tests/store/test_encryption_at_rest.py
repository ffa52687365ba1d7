"""Tests of encryption at rest against readers and writers of the database."""

from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.database import SqlStore, open_store
from store.encryption import Keyring, Undecryptable, generate_key
from store.errors import KeyMismatch, StoreUnavailable
from store.records import StoredProvider
from tests.store.direct_access import execute
from tests.store.encrypted_records import rotated
from tests.store.records import NOW, a_cluster

CORP = StoredProvider(
    "corp", "ldap", True, {"bind_password": "hush-hush"}, "required", ("a://1",), NOW
)


async def stored_bytes(url: str) -> bytes:
    """Return all stored bytes: SQLite's files, or every row of PostgreSQL."""
    if url.startswith("sqlite"):
        file = Path(url.removeprefix("sqlite:///"))
        return b"".join(p.read_bytes() for p in file.parent.glob(file.name + "*"))
    connection = await asyncpg.connect(url)
    try:
        named = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
        rows = [await connection.fetch(f"SELECT * FROM {table}") for (table,) in named]
        return repr([tuple(row) for table in rows for row in table]).encode()
    finally:
        await connection.close()


async def test_cluster_credentials_are_not_in_raw_database(store: SqlStore, url: str) -> None:
    await store.clusters.create(a_cluster())
    raw = await stored_bytes(url)
    assert b"10.0.0.1" in raw
    assert b"-secret" not in raw


@pytest.mark.parametrize(
    ("target", "source"),
    [("impersonator_token", "impersonator_token"), ("controller_token", "impersonator_token")],
)
async def test_credential_copied_to_another_row_is_undecryptable(
    store: SqlStore, url: str, target: str, source: str
) -> None:
    await store.clusters.create(a_cluster("prod"))
    await store.clusters.create(a_cluster("dev"))
    await execute(
        url,
        f"UPDATE clusters SET {target} = (SELECT {source} FROM clusters WHERE id = 'c-prod')"
        " WHERE id = 'c-dev'",
    )
    moved = await store.clusters.get("c-dev")
    assert moved is not None
    assert (moved.impersonator_token, moved.controller_token) == ("", None)
    assert "stored for another place" in moved.unreadable
    assert "secret" not in moved.unreadable
    assert await store.clusters.get("c-prod") == a_cluster("prod")


async def test_credential_copied_to_another_column_is_undecryptable(
    store: SqlStore, url: str
) -> None:
    """Otherwise an attacker with write access to the database could use the controller's rights."""
    await store.clusters.create(a_cluster())
    await execute(url, "UPDATE clusters SET impersonator_token = controller_token")
    moved = await store.clusters.get("c-prod")
    assert moved is not None
    assert (moved.impersonator_token, moved.controller_token) == ("", None)
    assert "stored for another place" in moved.unreadable


async def test_undecryptable_credential_disables_only_its_cluster(
    store: SqlStore, url: str
) -> None:
    for name in ("one", "prod", "two"):
        await store.clusters.create(replace(a_cluster(), id=f"c-{name}", name=name))
    token = "impersonator_token"
    await execute(url, f"UPDATE clusters SET {token} = controller_token WHERE name = 'prod'")
    first, broken, last = await store.clusters.list_all()
    assert (first.unreadable, last.unreadable) == ("", "")
    assert first.impersonator_token == last.impersonator_token == a_cluster().impersonator_token
    assert broken.unreadable
    assert (broken.impersonator_token, broken.controller_token) == ("", None)


async def test_changed_cluster_keeps_undecryptable_credential(
    url: str,
) -> None:
    """The key may return."""
    old, new = generate_key(), generate_key()
    store = await open_store(url, Keyring.parse(f"{new},{old}"))
    await store.clusters.create(a_cluster())
    outdated = await open_store(url, Keyring.parse(f"{new},{old}"))
    outdated.clusters._keyring = Keyring.parse(old)
    undecryptable = await outdated.clusters.get("c-prod")
    assert undecryptable is not None
    assert undecryptable.unreadable
    await outdated.clusters.replace(replace(undecryptable, name="renamed"))
    found = await store.clusters.get("c-prod")
    assert found is not None
    assert found == replace(a_cluster(), name="renamed", revision=found.revision)
    repaired = replace(undecryptable, impersonator_token="new", controller_token="newer")
    await outdated.clusters.replace(repaired)
    again = await outdated.clusters.get("c-prod")
    assert again is not None
    assert (again.impersonator_token, again.unreadable) == ("new", "")
    await store.close()
    await outdated.close()


@pytest.mark.parametrize("damage", ["another place", "''", "'garbage'"])
async def test_undecryptable_settings_disable_only_their_provider(
    store: SqlStore, url: str, damage: str
) -> None:
    one, broken, two = (replace(CORP, name=name) for name in ("one", "prod", "two"))
    for provider in (one, broken, two):
        await store.providers.create(provider)
    foreign = "(SELECT settings FROM providers WHERE name = 'one')"
    value = foreign if damage == "another place" else damage
    await execute(url, f"UPDATE providers SET settings = {value} WHERE name = 'prod'")
    first, undecryptable, last = await store.providers.list_all()
    assert [first, last] == [one, two]
    assert undecryptable == replace(broken, settings={}, unreadable=undecryptable.unreadable)
    assert undecryptable.unreadable
    assert "hush" not in undecryptable.unreadable
    assert await store.providers.get("prod") == undecryptable
    again = await open_store(url, store._keyring)
    assert await again.providers.list_all() == [one, undecryptable, two]
    await again.close()
    await store.providers.delete("prod")
    assert await store.providers.list_all() == [one, two]


async def test_changed_provider_keeps_undecryptable_settings(url: str) -> None:
    """The key may return. Rotation without it is refused, because it would lose the settings."""
    old, new = generate_key(), generate_key()
    store = await open_store(url, Keyring.parse(f"{new},{old}"))
    await store.providers.create(CORP)
    outdated = await open_store(url, Keyring.parse(f"{old},{new}"))
    outdated._keyring = outdated.providers._keyring = Keyring.parse(old)
    undecryptable = await outdated.providers.get("corp")
    assert undecryptable is not None
    assert undecryptable.unreadable == "no configured key opens the value"
    await outdated.providers.replace(replace(undecryptable, enabled=False))
    assert await store.providers.get("corp") == replace(CORP, enabled=False)
    with pytest.raises(StoreUnavailable, match=r"providers\.settings of corp"):
        await outdated.rotate_keys()
    await outdated.providers.replace(replace(undecryptable, settings={"n": 2}))
    assert await outdated.providers.get("corp") == replace(CORP, settings={"n": 2})
    await store.close()
    await outdated.close()


async def test_value_without_envelope_fails_no_query_of_other_rows(
    store: SqlStore, url: str
) -> None:
    """SQLite stores text and numbers in any column."""
    for name in ("one", "prod"):
        await store.clusters.create(replace(a_cluster(), id=f"c-{name}", name=name))
    number = "7" if url.startswith("sqlite") else "'7'"
    await execute(url, f"UPDATE clusters SET impersonator_token = {number} WHERE name = 'prod'")
    first, broken = await store.clusters.list_all()
    assert (first.unreadable, broken.unreadable) == ("", "no configured key opens the value")


async def test_key_removed_before_rotation_is_reported_at_start(url: str) -> None:
    """The check value can be decrypted, but a cluster stored after it cannot."""
    old, new = generate_key(), generate_key()
    await (await open_store(url, Keyring.parse(old))).close()
    store = await open_store(url, Keyring.parse(f"{new},{old}"))
    await store.clusters.create(a_cluster())
    await store.close()
    with pytest.raises(KeyMismatch, match="credentials of cluster prod"):
        await open_store(url, Keyring.parse(old))
    await (await open_store(url, Keyring.parse(f"{old}\n{new}"))).close()


async def test_replica_without_new_key_reports_missing_key(url: str) -> None:
    """Operators therefore first add a new key to the end of the list on every replica."""
    old, new = generate_key(), generate_key()
    outdated = await open_store(url, Keyring.parse(old))
    updated = await open_store(url, Keyring.parse(f"{new},{old}"))
    await updated.clusters.create(a_cluster())
    seen = await outdated.clusters.get("prod")
    assert seen is not None
    assert seen.unreadable == "no configured key opens the value"
    await updated.close()
    await outdated.close()


async def test_rotation_encrypts_with_first_key(url: str) -> None:
    old, new = generate_key(), generate_key()
    store = await open_store(url, Keyring.parse(old))
    await store.clusters.create(a_cluster())
    await store.close()
    store = await open_store(url, Keyring.parse(f"{new},{old}"))
    assert await store.clusters.get("c-prod") == a_cluster()
    assert await rotated(store) == {"clusters": 1, "secrets": 1}
    assert await rotated(store) == {}
    await store.close()
    store = await open_store(url, Keyring.parse(new))
    assert await store.clusters.get("c-prod") == a_cluster()
    await store.close()


async def test_start_with_wrong_keys_is_refused(url: str) -> None:
    store = await open_store(url, Keyring.parse(generate_key()))
    await store.close()
    with pytest.raises(KeyMismatch, match="encryption_keys_file"):
        await open_store(url, Keyring.parse(generate_key()))


@given(plaintext=st.text(), context=st.text(max_size=20), other=st.text(max_size=20))
def test_value_decrypts_in_its_place_only(plaintext: str, context: str, other: str) -> None:
    keyring = Keyring([b"k" * 32])
    envelope = keyring.encrypt(plaintext, context)
    assert keyring.decrypt(envelope, context) == plaintext
    if other != context:
        with pytest.raises(Undecryptable):
            keyring.decrypt(envelope, other)


@given(st.binary(max_size=80))
def test_garbage_is_undecryptable(garbage: bytes) -> None:
    with pytest.raises(Undecryptable):
        Keyring([b"k" * 32]).decrypt(garbage, "x")


@given(position=st.integers(0, 60), bit=st.integers(0, 7))
def test_value_with_flipped_bit_is_undecryptable(position: int, bit: int) -> None:
    keyring = Keyring([b"k" * 32])
    envelope = bytearray(keyring.encrypt("a secret of some length, thirty..", "x"))
    envelope[position % len(envelope)] ^= 1 << bit
    with pytest.raises(Undecryptable):
        keyring.decrypt(bytes(envelope), "x")


@pytest.mark.parametrize("text", ["", "not base64!", "c2hvcnQ=", "# only a comment"])
def test_invalid_key_is_reported_but_not_shown(text: str) -> None:
    with pytest.raises(ValueError, match="encryption key") as caught:
        Keyring.parse(text)
    assert "c2hvcnQ" not in str(caught.value)
    assert "short" not in str(caught.value)


def test_keyring_repr_has_no_key() -> None:
    key = generate_key()
    assert key not in repr(Keyring.parse(key))


def test_derived_keys_differ_by_purpose_and_key() -> None:
    one = Keyring([b"a" * 32, b"b" * 32])
    assert one.derive("cookie") == one.derive_all("cookie")[0]
    assert len({*one.derive_all("cookie"), one.derive("other")}) == 3
