"""Tests of identities and of providers at run time, over both databases."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from store.changes import ChangeHub
from store.connections import Database
from store.database import SqlStore, open_store, upgrade_database
from store.encryption import Keyring, generate_key
from store.engine import make_engines
from store.errors import Conflict, RecordNotFound, StoreUnavailable
from store.locations import locate
from store.records import Membership, Principal, PrincipalRecord, StoredProvider
from store.schema import HEAD
from tests.store.direct_access import execute
from tests.store.records import NOW, a_token, a_user

GITHUB = Principal("github_user://1", "github", "alice")
LOCAL = "local://u-alice"
CORP = StoredProvider(
    "corp", "ldap", True, {"bind_password": "hush-hush", "n": [1]}, "required", ("a://1",), NOW
)


_OLD_CLUSTER = (
    "INSERT INTO clusters VALUES "
    "('c-1', 'prod', '[]', null, null, '', null, 'static', null, '2026-01-01', 'id')"
)


async def _old_database(url: str) -> None:
    """Create a database of the first release with a user, a group and a token."""

    def old(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", "store:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in (
            "INSERT INTO users VALUES ('u-old', 'old', 'Old', true, false, '2026-01-01 00:00:00')",
            "INSERT INTO principals VALUES ('local://u-old', 'u-old', 'local', 'old')",
            "INSERT INTO memberships VALUES ('u-old', 'ldap', 'ldap_group://1', 'ops')",
            "INSERT INTO passwords VALUES ('u-old', 'old', 'old', 'h', false)",
            "INSERT INTO users VALUES ('u-root', 'root', 'R', true, true, '2026-01-01 00:00:00')",
            _OLD_CLUSTER,
            "INSERT INTO grants VALUES ('c-1', 'u-old', 'read-only')",
        ):
            connection.execute(text(statement))

    location = locate(url)
    connections = Database(make_engines(location), location.shown, ChangeHub())
    async with connections.write() as connection:
        await connection.run_sync(old)
    await connections.engines.dispose()


async def test_database_of_first_release_keeps_its_data(url: str, keyring: Keyring) -> None:
    await _old_database(url)
    assert await upgrade_database(url) == ("0001", HEAD)
    store = await open_store(url, keyring)
    try:
        old = await store.users.get("u-old")
        assert old is not None
        assert old.principals == (Principal("local://u-old", "local", "old"),)
        assert [one.name for one in await store.users.memberships("u-old")] == ["ops"]
        assert await store.users.password("old") is not None
        known = PrincipalRecord("local://u-old", "u-old", "local", "old")
        assert await store.identities.get("local://u-old") == known
        assert not old.administrator
        assert await store.users.any_administrator()
        [held] = await store.bindings.in_cluster("c-1")
        assert (held.user_id, held.role_id, held.name) == ("u-old", "cluster-read-only", "old")
    finally:
        await store.close()


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


async def test_principal_with_oldest_refresh_is_due_first(store: SqlStore) -> None:
    for name in ("alice", "bob", "carol", "dave"):
        await store.users.create(a_user(name))
    await store.identities.seen("local://u-alice", NOW)
    await store.identities.seen("local://u-bob", NOW - timedelta(hours=3))
    await store.identities.seen("local://u-carol", NOW - timedelta(hours=2))
    await store.users.update("u-carol", enabled=False)
    due = await store.identities.due("local", NOW - timedelta(hours=1), NOW, failing=False, limit=9)
    assert [one.user_id for one in due] == ["u-dave", "u-bob"]
    assert len(await store.identities.due("local", NOW, NOW, failing=False, limit=1)) == 1
    assert await store.identities.due("corp", NOW, NOW, failing=False, limit=9) == []


async def test_principal_is_refreshed_by_one_replica_at_a_time(store: SqlStore) -> None:
    await store.users.create(a_user())
    known = await store.identities.get(LOCAL)
    assert known is not None
    assert await store.identities.claim(known, NOW)
    assert not await store.identities.claim(known, NOW)
    await store.identities.release(LOCAL, NOW - timedelta(1), None)
    assert (await store.identities.of_user("u-alice"))[0].refreshed_at == NOW
    await store.identities.release(LOCAL, NOW, None)
    assert await store.identities.claim(known, NOW)


async def test_failed_principals_are_listed_separately_after_their_pause(store: SqlStore) -> None:
    identities = store.identities
    for name in ("alice", "bob"):
        await store.users.create(a_user(name))
        await identities.seen(f"local://u-{name}", NOW - timedelta(hours=2))
    later = NOW + timedelta(minutes=5)
    await identities.refresh_failed("local://u-bob", later)
    await identities.refresh_failed("local://u-bob", later)

    async def due(now: datetime, *, failing: bool) -> list[str]:
        found = await identities.due("local", NOW, now, failing=failing, limit=9)
        return [one.user_id for one in found]

    assert await due(NOW, failing=False) == ["u-alice"]
    assert await due(NOW, failing=True) == []
    assert await due(later + timedelta(seconds=1), failing=True) == ["u-bob"]
    assert await identities.failing("local", 2) == 1
    assert await identities.failing("local", 3) == 0
    bob = await store.users.get("u-bob")
    assert bob is not None
    assert bob.principals[0].refresh_failures == 2
    await identities.refresh_worked("local://u-bob")
    assert await due(NOW, failing=False) == ["u-alice", "u-bob"]


async def test_ended_grant_is_deleted_until_next_sign_in(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.tokens.create(a_token("token-l"))
    await store.identities.seen(LOCAL, NOW - timedelta(hours=2), "refresh-1")
    await store.identities.grant_ended(LOCAL, NOW)
    known = await store.identities.get(LOCAL)
    assert known is not None
    assert (known.secret, known.grant_ended_at) == (None, NOW)
    assert await store.tokens.get("token-l") is not None
    assert await store.identities.due("local", NOW, NOW, failing=False, limit=9) == []
    await store.identities.seen(LOCAL, NOW, "refresh-2", fresh=False)
    known = await store.identities.get(LOCAL)
    assert known is not None
    assert known.grant_ended_at == NOW
    await store.identities.seen(LOCAL, NOW, "refresh-2")
    known = await store.identities.get(LOCAL)
    assert known is not None
    assert known.grant_ended_at is None


async def test_undecryptable_secret_does_not_stop_refresh_of_others(
    store: SqlStore, url: str
) -> None:
    for name in ("alice", "bob"):
        await store.users.create(a_user(name))
        await store.identities.seen(f"local://u-{name}", NOW - timedelta(hours=2), f"of-{name}")
    await execute(
        url,
        "UPDATE principals SET secret = (SELECT secret FROM principals WHERE id = 'local://u-bob') "
        "WHERE id = 'local://u-alice'",
    )
    due = await store.identities.due("local", NOW, NOW, failing=False, limit=9)
    assert [one.secret for one in due] == [None, "of-bob"]
    # A change of the provider's access mode still finds both identities.
    identities = await store.identities.of_provider("local")
    assert [one.secret for one in identities] == [None, "of-bob"]
    assert await store.identities.refuse(LOCAL, "gone") == 0
    await store.identities.seen(LOCAL, NOW, "of-alice")
    known = await store.identities.get(LOCAL)
    assert known is not None
    assert (known.secret, known.disabled_reason) == ("of-alice", None)


async def test_refused_principal_loses_only_tokens_and_groups(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.identities.link("u-alice", GITHUB, "gho_secret")
    await store.tokens.create(a_token("token-l"))
    await store.tokens.create(a_token("token-g", principal_id=GITHUB.id))
    teams = [Membership("github_team://1", "github", "ops")]
    await store.users.set_memberships("u-alice", "github", teams)
    kept = [Membership("local_group://1", "local", "people")]
    await store.users.set_memberships("u-alice", "local", kept)
    async with store.changes.subscribe() as changes:
        assert await store.identities.refuse(GITHUB.id, "account_disabled") == 1
        while (change := await anext(changes)).kind == "all":
            pass  # the feed is newly connected
    assert (change.kind, change.key) == ("user", "u-alice")
    assert await store.tokens.get("token-g") is None
    assert await store.tokens.get("token-l") is not None
    assert await store.users.memberships("u-alice") == kept
    alice = await store.users.get("u-alice")
    assert alice is not None
    assert [one.disabled_reason for one in alice.principals] == ["account_disabled", None]
    known = await store.identities.get(GITHUB.id)
    assert known is not None
    assert known.secret is None
    assert await store.identities.of_provider("github") == []
    await store.identities.seen(GITHUB.id, NOW)
    assert len(await store.identities.of_provider("github")) == 1
    assert await store.identities.refuse("github_user://9", "gone") == 0


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
    assert await store.rotate_keys() == 2
    assert await store.rotate_keys() == 0
    await store.close()
    store = await open_store(url, Keyring.parse(new))
    assert await store.providers.get("corp") == CORP
    assert (await store.identities.of_user("u-alice"))[0].secret == "hush"
    await store.close()
