"""Tests of names that databases cannot store: no record, and no outage."""

import pytest

from store.database import SqlStore
from store.errors import RecordNotFound
from store.records import NewPassword
from tests.store.records import a_binding, a_cluster, a_token, a_user

STRANGE = ["nul\0", "\0", "half \ud800", "x" * 20_000, "", "ÅÄÖ %_'\"; --"]


@pytest.mark.parametrize("name", STRANGE, ids=lambda name: ascii(name)[:12])
async def test_strange_name_finds_no_record(store: SqlStore, name: str) -> None:
    assert await store.users.get(name) is None
    assert await store.users.by_principal(name) is None
    assert await store.users.find(name) == []
    assert await store.users.password(name) is None
    assert await store.tokens.get(name) is None
    assert await store.tokens.resolve(name) is None
    assert await store.clusters.get(name) is None
    assert not await store.tokens.revoke(name)


@pytest.mark.parametrize("name", STRANGE, ids=lambda name: ascii(name)[:12])
async def test_change_of_strange_name_raises_record_not_found(store: SqlStore, name: str) -> None:
    for refused in (
        store.users.delete(name),
        store.users.update(name, enabled=False),
        store.users.set_password(name, NewPassword("x", "hash")),
        store.users.set_memberships(name, "ldap", []),
        store.clusters.delete(name),
        store.bindings.create(a_binding(cluster=name, id="b-1")),
        store.bindings.create(a_binding(name, cluster=None, id="b-2", group_id=None, user_id=name)),
    ):
        with pytest.raises(RecordNotFound):
            await refused


@pytest.mark.parametrize("name", STRANGE[:3], ids=lambda name: ascii(name)[:12])
async def test_text_that_cannot_be_stored_raises_value_error(store: SqlStore, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be stored"):
        await store.users.create(a_user(display_name=name))
    with pytest.raises(ValueError, match="cannot be stored"):
        await store.clusters.create(a_cluster(id="c-1", name=name))
    assert await store.users.list_all() == []
    assert await store.clusters.list_all() == []


async def test_long_texts_are_returned_unchanged(store: SqlStore) -> None:
    alice = a_user(display_name="日本語 " * 1000)
    await store.users.create(alice)
    assert await store.users.get("u-alice") == alice
    token = a_token(description="why " * 5000)
    await store.tokens.create(token)
    assert await store.tokens.get("token-a") == token


async def test_token_of_unknown_user_raises_record_not_found(store: SqlStore) -> None:
    with pytest.raises(RecordNotFound):
        await store.tokens.create(a_token(user="u-unknown"))


async def test_error_contains_no_secret(store: SqlStore) -> None:
    await store.users.create(a_user(), password=NewPassword("alice", "$argon2id$hunter2"))
    with pytest.raises(Exception, match="exists already") as caught:
        await store.users.create(a_user(), password=NewPassword("alice", "$argon2id$hunter2"))
    error: BaseException | None = caught.value
    while error is not None:
        assert "hunter2" not in str(error)
        error = error.__cause__
