"""Contract tests of every store, over SQLite and PostgreSQL."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from store.database import SqlStore
from store.errors import Conflict, RecordNotFound, StaleRevision
from store.records import Holdings, Membership, NewPassword, Principal, TokenCounts, UsernameMapping
from tests.store.records import NOW, a_binding, a_cluster, a_token, a_user, let_in


async def test_stored_user_is_returned_unchanged(store: SqlStore) -> None:
    alice = a_user()
    await store.users.create(alice)
    assert await store.users.get(alice.id) == alice
    assert await store.users.by_principal("local://u-alice") == alice
    assert await store.users.get("u-unknown") is None


async def test_user_is_found_by_id_name_or_principal(store: SqlStore) -> None:
    alice = a_user()
    other = a_user("alice2", username="alice")
    await store.users.create(alice)
    await store.users.create(other)
    assert [u.id for u in await store.users.find("alice")] == ["u-alice", "u-alice2"]
    assert await store.users.find("u-alice2") == [other]
    assert await store.users.find("local://u-alice") == [alice]
    assert await store.users.find("ALICE") == []


async def test_principal_of_another_user_is_refused_and_stores_nothing(store: SqlStore) -> None:
    await store.users.create(a_user())
    other = a_user("bob", principals=(Principal("local://u-alice", "local", "bob"),))
    with pytest.raises(Conflict):
        await store.users.create(other, password=NewPassword("other", "$argon2id$x"))
    assert await store.users.get("u-bob") is None
    assert await store.users.password("bob") is None


async def test_local_login_names_are_unique_ignoring_case(store: SqlStore) -> None:
    await store.users.create(a_user(), password=NewPassword("alice", "h1", must_change=True))
    found = await store.users.password("ALICE")
    assert found is not None
    assert (found.user_id, found.hash, found.must_change) == ("u-alice", "h1", True)
    await store.users.create(a_user("other"))
    with pytest.raises(Conflict):
        await store.users.set_password("u-other", NewPassword("Alice", "h2"))
    await store.users.set_password("u-alice", NewPassword("alice", "h3"))
    assert (await store.users.password("alice")).hash == "h3"  # type: ignore[union-attr]


async def test_password_for_unknown_user_is_refused(store: SqlStore) -> None:
    with pytest.raises(RecordNotFound):
        await store.users.set_password("u-unknown", NewPassword("unknown", "h"))


async def test_update_changes_given_fields_only(store: SqlStore) -> None:
    await store.users.create(a_user(administrator=True))
    await store.users.create(a_user("root", administrator=True))
    changed = await store.users.update("u-alice", enabled=False, revision=1)
    assert (changed.enabled, changed.administrator, changed.revision) == (False, True, 2)
    with pytest.raises(StaleRevision):
        await store.users.update("u-alice", display_name="Al", revision=1)
    with pytest.raises(RecordNotFound):
        await store.users.update("u-unknown", enabled=False)


async def test_members_of_groups_are_listed_up_to_the_limit(store: SqlStore) -> None:
    one = Membership("github_team://1", "github", "acme/one")
    for name in ("alice", "bob"):
        await store.users.create(a_user(name))
        await store.users.set_memberships(f"u-{name}", "github", [one])
    expected = [(one.id, one.name, "u-alice"), (one.id, one.name, "u-bob")]
    wanted = [one.id, "github_team://2", "a\0b"]
    assert await store.users.members(wanted, limit=10) == expected
    assert await store.users.members(wanted, limit=1) == expected[:1]
    assert await store.users.members([], limit=10) == []


@pytest.mark.parametrize(
    ("mapping", "name"),
    [("id", "u-alice"), ("principal", "local://u-alice"), ("username", "local:alice")],
)
async def test_users_are_found_by_their_names_in_a_cluster(
    store: SqlStore, mapping: UsernameMapping, name: str
) -> None:
    alice = a_user("alice")
    await store.users.create(alice)
    await store.users.create(a_user("bob"))
    assert await store.users.named_in_cluster(mapping, [name, "other", "a\0b"]) == [alice]
    many = [f"u-{number}" for number in range(1200)]
    assert await store.users.named_in_cluster(mapping, [*many, name]) == [alice]


async def test_set_memberships_replaces_groups_of_one_provider(store: SqlStore) -> None:
    await store.users.create(a_user())
    one = Membership("github_team://1", "github", "acme/one")
    two = Membership("ldap_group://2", "ldap", "two")
    await store.users.set_memberships("u-alice", "github", [one, one])
    await store.users.set_memberships("u-alice", "ldap", [two])
    assert await store.users.memberships("u-alice") == [one, two]
    await store.users.set_memberships("u-alice", "github", [])
    assert await store.users.memberships("u-alice") == [two]
    with pytest.raises(RecordNotFound):
        await store.users.set_memberships("u-unknown", "ldap", [two])


async def test_stored_token_is_returned_with_scope_and_utc_times(store: SqlStore) -> None:
    await store.users.create(a_user())
    tokyo = timezone(timedelta(hours=9))
    token = a_token(clusters=("c-1", "c-2"), read_only=True, expires_at=NOW.astimezone(tokyo))
    await store.tokens.create(token)
    found = await store.tokens.get("token-a")
    assert found == token
    assert found is not None
    assert found.expires_at is not None
    assert found.expires_at.tzinfo == UTC
    with pytest.raises(Conflict):
        await store.tokens.create(token)


async def test_resolve_returns_token_user_groups_and_holdings(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.clusters.create(a_cluster())
    held = [
        await let_in(store, "c-prod", "u-alice"),
        await store.bindings.create(a_binding("github_team://1", "cluster-read-only")),
    ]
    await store.bindings.create(a_binding("github_team://2", "cluster-owner"))
    group = Membership("github_team://1", "github", "acme/one")
    await store.users.set_memberships("u-alice", "github", [group])
    await store.tokens.create(a_token())
    assert await store.tokens.resolve("token-a") == (
        a_token(),
        a_user(),
        [group],
        Holdings(sorted(held, key=lambda one: one.id), []),
    )
    assert await store.tokens.resolve("token-b") is None


async def test_tokens_are_listed_newest_first_touched_and_revoked(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.tokens.create(a_token("token-old", created_at=NOW - timedelta(days=1)))
    await store.tokens.create(a_token("token-new"))
    await store.tokens.touch([("token-old", NOW), ("token-gone", NOW)])
    old, new = reversed(await store.tokens.list_for("u-alice"))
    assert (old.name, old.last_used_at, new.last_used_at) == ("token-old", NOW, None)
    assert await store.tokens.revoke("token-old")
    assert not await store.tokens.revoke("token-old")
    assert await store.tokens.get("token-old") is None


async def test_uses_of_many_tokens_are_all_recorded(
    store: SqlStore,
) -> None:
    await store.users.create(a_user())
    names = [f"token-{n:04d}" for n in range(1201)]
    touched = [names[0], names[600], names[-1]]
    for name in touched:
        await store.tokens.create(a_token(name))
    await store.tokens.touch([(name, NOW) for name in reversed(names)])
    used = {token.name: token.last_used_at for token in await store.tokens.list_for("u-alice")}
    assert used == dict.fromkeys(touched, NOW)


async def test_expired_tokens_are_deleted(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.tokens.create(a_token("token-1", expires_at=NOW))
    await store.tokens.create(a_token("token-2", expires_at=None))
    assert await store.tokens.delete_ended(NOW + timedelta(seconds=1)) == 1
    assert [t.name for t in await store.tokens.list_for("u-alice")] == ["token-2"]


async def test_tokens_that_have_not_ended_are_counted_by_kind_and_use(store: SqlStore) -> None:
    for name in ("alice", "bob"):
        await store.users.create(a_user(name))
    day = timedelta(days=1)
    every: list[dict[str, Any]] = [
        {"kind": "session", "last_used_at": NOW},
        {"kind": "token", "last_used_at": NOW - 2 * day},
        {"kind": "token", "expires_at": None, "user": "u-bob"},
        {"kind": "kubeconfig", "expires_at": NOW - day, "last_used_at": NOW},
    ]
    for number, values in enumerate(every):
        await store.tokens.create(a_token(f"token-{number}", digest=bytes([number]) * 32, **values))
    everyone = await store.tokens.counts(NOW, NOW - day)
    assert everyone == TokenCounts(sessions=1, tokens=2, kubeconfigs=0, used=1)
    assert await store.tokens.counts(NOW, NOW - day, "u-bob") == TokenCounts(tokens=1)
    assert await store.tokens.counts(NOW, NOW - day, "u-\0") == TokenCounts()


async def test_tokens_that_end_soon_are_listed_by_their_end(store: SqlStore) -> None:
    for name in ("alice", "bob"):
        await store.users.create(a_user(name))
    hour = timedelta(hours=1)
    every: list[dict[str, Any]] = [
        {"expires_at": NOW + 3 * hour},
        {"expires_at": NOW + hour, "user": "u-bob"},
        {"expires_at": NOW + hour, "kind": "session"},
        {"expires_at": NOW - hour},
        {"expires_at": None},
    ]
    for number, values in enumerate(every):
        await store.tokens.create(a_token(f"token-{number}", digest=bytes([number]) * 32, **values))

    async def ending(limit: int = 9, user_id: str | None = None) -> list[str]:
        found = await store.tokens.ending(NOW, NOW + 9 * hour, user_id=user_id, limit=limit)
        return [one.name for one in found]

    assert await ending() == ["token-1", "token-0"]
    assert await ending(limit=1) == ["token-1"]
    assert await ending(user_id="u-alice") == ["token-0"]


async def test_cluster_is_found_by_id_and_name_and_replaced(store: SqlStore) -> None:
    cluster = a_cluster()
    await store.clusters.create(cluster)
    assert await store.clusters.get("c-prod") == cluster
    assert await store.clusters.get("prod") == cluster
    renewed = a_cluster(impersonator_token="new", controller_token=None, tokens_expire_at=None)
    await store.clusters.replace(renewed)
    assert await store.clusters.list_all() == [replace(renewed, revision=2)]
    with pytest.raises(StaleRevision):
        await store.clusters.replace(renewed, revision=1)
    with pytest.raises(Conflict):
        await store.clusters.create(a_cluster(id="c-other"))
    with pytest.raises(RecordNotFound):
        await store.clusters.replace(a_cluster("dev"))
    with pytest.raises(RecordNotFound):
        await store.clusters.delete("c-dev")


async def test_deleting_user_or_cluster_deletes_dependent_records(store: SqlStore) -> None:
    await store.users.create(a_user(), password=NewPassword("alice", "h"))
    await store.users.create(a_user("bob"))
    await store.clusters.create(a_cluster())
    for user in ("u-alice", "u-bob"):
        await let_in(store, "c-prod", user)
    await store.tokens.create(a_token())
    await store.users.delete("u-alice")
    assert await store.tokens.get("token-a") is None
    assert await store.users.password("alice") is None
    assert await store.users.by_principal("local://u-alice") is None
    assert [one.user_id for one in await store.bindings.in_cluster("c-prod")] == ["u-bob"]
    await store.clusters.delete("c-prod")
    assert await store.bindings.of_subjects("u-bob", []) == []
    with pytest.raises(RecordNotFound):
        await store.users.delete("u-alice")


async def test_time_without_time_zone_is_refused(store: SqlStore) -> None:
    await store.users.create(a_user())
    with pytest.raises(Exception, match=r"naive|is not usable"):
        await store.tokens.create(a_token(expires_at=datetime(2026, 1, 1)))  # noqa: DTZ001
