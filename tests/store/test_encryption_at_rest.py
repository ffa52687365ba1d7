"""What somebody sees who reads the database, and what happens to somebody who writes to it."""

from pathlib import Path

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.database import SqlStore, open_store
from store.encryption import Keyring, Undecryptable, generate_key
from store.interfaces import KeyMismatch, StoreUnavailable
from tests.store.behind import execute
from tests.store.records import a_cluster


async def _everything(url: str) -> bytes:
    """All that is stored, as raw as it can be had."""
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


async def test_a_clusters_credentials_cannot_be_read_from_the_database(
    store: SqlStore, url: str
) -> None:
    await store.clusters.create(a_cluster())
    raw = await _everything(url)
    assert b"10.0.0.1" in raw
    assert b"-secret" not in raw


@pytest.mark.parametrize(
    ("target", "source"),
    [("impersonator_token", "impersonator_token"), ("controller_token", "impersonator_token")],
)
async def test_a_credential_moved_to_another_row_does_not_open(
    store: SqlStore, url: str, target: str, source: str
) -> None:
    await store.clusters.create(a_cluster("prod"))
    await store.clusters.create(a_cluster("dev"))
    await execute(
        url,
        f"UPDATE clusters SET {target} = (SELECT {source} FROM clusters WHERE id = 'c-prod')"
        " WHERE id = 'c-dev'",
    )
    with pytest.raises(StoreUnavailable, match="stored for another place") as caught:
        await store.clusters.get("c-dev")
    assert "secret" not in str(caught.value)
    assert await store.clusters.get("c-prod") == a_cluster("prod")


async def test_a_credential_moved_to_another_column_does_not_open(
    store: SqlStore, url: str
) -> None:
    """Else whoever writes to the database could make the controller's rights everybody's."""
    await store.clusters.create(a_cluster())
    await execute(url, "UPDATE clusters SET impersonator_token = controller_token")
    with pytest.raises(StoreUnavailable, match="stored for another place"):
        await store.clusters.get("c-prod")


async def test_a_key_taken_away_before_rotating_is_found_at_the_start(url: str) -> None:
    """The check value still opens; a cluster stored since wouldn't."""
    old, new = generate_key(), generate_key()
    await (await open_store(url, Keyring.parse(old))).close()
    store = await open_store(url, Keyring.parse(f"{new},{old}"))
    await store.clusters.create(a_cluster())
    await store.close()
    with pytest.raises(KeyMismatch, match="credentials of cluster prod"):
        await open_store(url, Keyring.parse(old))
    await (await open_store(url, Keyring.parse(f"{old}\n{new}"))).close()


async def test_a_replica_that_does_not_know_the_new_key_yet_says_so(url: str) -> None:
    """Why a new key goes to the end of the list first, on every replica."""
    old, new = generate_key(), generate_key()
    behind = await open_store(url, Keyring.parse(old))
    ahead = await open_store(url, Keyring.parse(f"{new},{old}"))
    await ahead.clusters.create(a_cluster())
    with pytest.raises(StoreUnavailable, match="no configured key opens the value"):
        await behind.clusters.get("prod")
    await ahead.close()
    await behind.close()


async def test_keys_rotate_by_putting_a_new_one_in_front(url: str) -> None:
    old, new = generate_key(), generate_key()
    store = await open_store(url, Keyring.parse(old))
    await store.clusters.create(a_cluster())
    await store.close()
    store = await open_store(url, Keyring.parse(f"{new},{old}"))
    assert await store.clusters.get("c-prod") == a_cluster()
    assert await store.rotate_keys() == 1
    assert await store.rotate_keys() == 0
    await store.close()
    store = await open_store(url, Keyring.parse(new))
    assert await store.clusters.get("c-prod") == a_cluster()
    await store.close()


async def test_a_start_with_the_wrong_keys_is_refused_at_once(url: str) -> None:
    store = await open_store(url, Keyring.parse(generate_key()))
    await store.close()
    with pytest.raises(KeyMismatch, match="encryption_keys_file"):
        await open_store(url, Keyring.parse(generate_key()))


@given(plaintext=st.text(), context=st.text(max_size=20), other=st.text(max_size=20))
def test_a_value_opens_for_its_own_place_only(plaintext: str, context: str, other: str) -> None:
    keyring = Keyring([b"k" * 32])
    envelope = keyring.encrypt(plaintext, context)
    assert keyring.decrypt(envelope, context) == plaintext
    if other != context:
        with pytest.raises(Undecryptable):
            keyring.decrypt(envelope, other)


@given(st.binary(max_size=80))
def test_garbage_never_opens(garbage: bytes) -> None:
    with pytest.raises(Undecryptable):
        Keyring([b"k" * 32]).decrypt(garbage, "x")


@given(position=st.integers(0, 60), bit=st.integers(0, 7))
def test_a_flipped_bit_never_opens(position: int, bit: int) -> None:
    keyring = Keyring([b"k" * 32])
    envelope = bytearray(keyring.encrypt("a secret of some length, thirty..", "x"))
    envelope[position % len(envelope)] ^= 1 << bit
    with pytest.raises(Undecryptable):
        keyring.decrypt(bytes(envelope), "x")


@pytest.mark.parametrize("text", ["", "not base64!", "c2hvcnQ=", "# only a comment"])
def test_a_bad_key_is_told_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match="encryption key") as caught:
        Keyring.parse(text)
    assert "c2hvcnQ" not in str(caught.value)
    assert "short" not in str(caught.value)


def test_a_keyring_shows_no_key() -> None:
    key = generate_key()
    assert key not in repr(Keyring.parse(key))


def test_keys_for_other_purposes_differ_by_purpose_and_by_key() -> None:
    one = Keyring([b"a" * 32, b"b" * 32])
    assert one.derive("cookie") == one.derive_all("cookie")[0]
    assert len({*one.derive_all("cookie"), one.derive("other")}) == 3
