"""Tests of identities and of providers at run time, over both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from store.database import SqlStore, open_store
from store.encryption import Keyring, generate_key
from store.errors import Conflict, RecordNotFound, StoreUnavailable
from store.records import StoredProvider
from tests.store.direct_access import execute
from tests.store.encrypted_records import rotated
from tests.store.principals import GITHUB, LOCAL
from tests.store.records import NOW, a_token, a_user

CORP = StoredProvider(
    "corp", "ldap", True, {"bind_password": "hush-hush", "n": [1]}, "required", ("a://1",), NOW
)


async def test_sign_in_stores_secret_of_provider(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.identities.seen(LOCAL, NOW, "refresh-me")
    known = await store.identities.get(LOCAL)
    assert known is not None
    assert (known.secret, known.last_seen_at, known.refreshed_at) == ("refresh-me", NOW, NOW)
    assert "refresh-me" not in repr(known)
    await store.identities.seen(LOCAL, NOW + timedelta(hours=1))
    assert (await store.identities.of_user("u-alice"))[0].secret == "refresh-me"
    with pytest.raises(RecordNotFound):
        await store.identities.seen("local://unknown", NOW)


async def test_secret_copied_to_another_principal_is_undecryptable(
    store: SqlStore, url: str
) -> None:
    await store.users.create(a_user())
    await store.users.create(a_user("bob"))
    await store.identities.seen(LOCAL, NOW, "hush")
    await execute(
        url,
        "UPDATE principals SET secret = (SELECT secret FROM principals WHERE id = 'local://u-alice')"
        " WHERE id = 'local://u-bob'",
    )
    with pytest.raises(StoreUnavailable, match="stored for another place"):
        await store.identities.get("local://u-bob")


async def test_principal_is_linked_once_and_last_one_is_kept(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.users.create(a_user("bob"))
    await store.identities.link("u-alice", GITHUB)
    with pytest.raises(Conflict):
        await store.identities.link("u-bob", GITHUB)
    with pytest.raises(RecordNotFound):
        await store.identities.link("u-unknown", replace(GITHUB, id="github_user://2"))
    with pytest.raises(RecordNotFound):
        await store.identities.unlink("u-bob", GITHUB.id)
    await store.tokens.create(a_token("token-g", principal_id=GITHUB.id))
    assert await store.identities.unlink("u-alice", GITHUB.id) == 1
    with pytest.raises(Conflict):
        await store.identities.unlink("u-alice", LOCAL)


async def test_tokens_are_revoked_by_provider_or_user(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.users.create(a_user("bob"))
    await store.identities.link("u-alice", GITHUB)
    for name, user, principal in (
        ("token-1", "u-alice", GITHUB.id),
        ("token-2", "u-alice", LOCAL),
        ("token-3", "u-alice", LOCAL),
        ("token-4", "u-bob", "local://u-bob"),
    ):
        await store.tokens.create(a_token(name, user, principal_id=principal))
    assert await store.identities.revoke_tokens(provider="github") == 1
    assert await store.identities.revoke_tokens(user_id="u-alice", keep="token-2") == 1
    assert await store.tokens.get("token-2") is not None
    assert await store.tokens.get("token-4") is not None


async def test_unseen_lists_idle_users_but_no_administrators(
    store: SqlStore,
) -> None:
    long_ago = NOW - timedelta(days=90)
    for name, values in (("alice", {}), ("bob", {}), ("root", {"administrator": True})):
        await store.users.create(a_user(name, created_at=long_ago, **values))
    await store.users.create(a_user("new"))
    await store.users.create(a_user("carol", created_at=long_ago))
    await store.identities.seen("local://u-bob", NOW)
    await store.tokens.create(a_token("token-c", "u-carol", created_at=long_ago))
    await store.tokens.touch([("token-c", NOW)])
    unseen = await store.identities.unseen(NOW - timedelta(days=30))
    assert [one.id for one in unseen] == ["u-alice"]


async def test_stored_provider_is_returned_unchanged_and_announced(store: SqlStore) -> None:
    async with store.changes.subscribe() as changes:
        await store.providers.create(CORP)
        while (change := await anext(changes)).kind == "all":
            pass  # the feed is newly connected
    assert (change.kind, change.key) == ("provider", "corp")
    assert await store.providers.get("corp") == CORP
    with pytest.raises(Conflict):
        await store.providers.create(CORP)
    changed = replace(CORP, enabled=False, access_mode="restricted")
    await store.providers.replace(changed)
    assert await store.providers.list_all() == [changed]
    await store.providers.delete("corp")
    assert await store.providers.get("corp") is None
    for gone in (store.providers.delete("corp"), store.providers.replace(CORP)):
        with pytest.raises(RecordNotFound):
            await gone


async def test_rotation_encrypts_provider_settings_and_secrets(url: str) -> None:
    old, new = generate_key(), generate_key()
    store = await open_store(url, Keyring.parse(old))
    await store.providers.create(CORP)
    await store.users.create(a_user())
    await store.identities.seen(LOCAL, NOW, "hush")
    await store.close()
    store = await open_store(url, Keyring.parse(f"{new},{old}"))
    assert await rotated(store) == {"principals": 1, "providers": 1, "secrets": 1}
    assert await rotated(store) == {}
    await store.close()
    store = await open_store(url, Keyring.parse(new))
    assert await store.providers.get("corp") == CORP
    assert (await store.identities.of_user("u-alice"))[0].secret == "hush"
    await store.close()
