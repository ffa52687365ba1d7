"""Names come from strangers: what no database can hold is nobody's name, and no outage."""

import pytest

from store.database import SqlStore
from store.interfaces import NotFound
from tests.store.records import a_binding, a_cluster, a_token, a_user

STRANGE = ["nul\0", "\0", "half \ud800", "x" * 20_000, "", "ÅÄÖ %_'\"; --"]


@pytest.mark.parametrize("name", STRANGE, ids=lambda name: ascii(name)[:12])
async def test_a_strange_name_is_nobodys(store: SqlStore, name: str) -> None:
    assert await store.users.get(name) is None
    assert await store.users.by_principal(name) is None
    assert await store.users.find(name) == []
    assert await store.users.password(name) is None
    assert await store.tokens.get(name) is None
    assert await store.tokens.resolve(name) is None
    assert await store.clusters.get(name) is None
    assert not await store.tokens.revoke(name)


@pytest.mark.parametrize("name", STRANGE, ids=lambda name: ascii(name)[:12])
async def test_nothing_can_be_done_to_a_strange_name(store: SqlStore, name: str) -> None:
    for refused in (
        store.users.delete(name),
        store.users.update(name, enabled=False),
        store.users.set_password(name, "x", "hash"),
        store.users.set_memberships(name, "ldap", []),
        store.clusters.delete(name),
        store.bindings.create(a_binding(cluster=name, id="b-1")),
        store.bindings.create(a_binding(name, cluster=None, id="b-2", group_id=None, user_id=name)),
    ):
        with pytest.raises(NotFound):
            await refused


@pytest.mark.parametrize("name", STRANGE[:3], ids=lambda name: ascii(name)[:12])
async def test_what_cannot_be_stored_is_the_callers_mistake(store: SqlStore, name: str) -> None:
    with pytest.raises(ValueError, match="can't be stored"):
        await store.users.create(a_user(display_name=name))
    with pytest.raises(ValueError, match="can't be stored"):
        await store.clusters.create(a_cluster(id="c-1", name=name))
    assert await store.users.list_all() == []
    assert await store.clusters.list_all() == []


async def test_long_texts_come_back_whole(store: SqlStore) -> None:
    alice = a_user(display_name="日本語 " * 1000)
    await store.users.create(alice)
    assert await store.users.get("u-alice") == alice
    token = a_token(description="why " * 5000)
    await store.tokens.create(token)
    assert await store.tokens.get("token-a") == token


async def test_a_token_of_nobody_is_not_a_conflict(store: SqlStore) -> None:
    with pytest.raises(NotFound):
        await store.tokens.create(a_token(user="u-nobody"))


async def test_no_secret_is_in_an_error(store: SqlStore) -> None:
    await store.users.create(a_user(), password_hash="$argon2id$hunter2")
    with pytest.raises(Exception, match="exists already") as caught:
        await store.users.create(a_user(), password_hash="$argon2id$hunter2")
    error: BaseException | None = caught.value
    while error is not None:
        assert "hunter2" not in str(error)
        error = error.__cause__
