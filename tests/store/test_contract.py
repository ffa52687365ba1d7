"""What every store does: one suite over SQLite and PostgreSQL."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from store.database import SqlStore
from store.interfaces import Conflict, Holdings, Membership, NotFound, Principal, StaleRevision
from tests.store.records import NOW, a_binding, a_cluster, a_token, a_user, let_in


async def test_a_user_comes_back_as_it_was_stored(store: SqlStore) -> None:
    alice = a_user()
    await store.users.create(alice)
    assert await store.users.get(alice.id) == alice
    assert await store.users.by_principal("local://u-alice") == alice
    assert await store.users.get("u-nobody") is None


async def test_a_user_is_found_by_id_name_or_principal(store: SqlStore) -> None:
    alice = a_user()
    other = a_user("alice2", username="alice")
    await store.users.create(alice)
    await store.users.create(other)
    assert [u.id for u in await store.users.find("alice")] == ["u-alice", "u-alice2"]
    assert await store.users.find("u-alice2") == [other]
    assert await store.users.find("local://u-alice") == [alice]
    assert await store.users.find("ALICE") == []


async def test_a_principal_belongs_to_one_user_and_nothing_is_half_stored(store: SqlStore) -> None:
    await store.users.create(a_user())
    thief = a_user("bob", principals=(Principal("local://u-alice", "local", "bob"),))
    with pytest.raises(Conflict):
        await store.users.create(thief, password_hash="$argon2id$x")
    assert await store.users.get("u-bob") is None
    assert await store.users.password("bob") is None


async def test_local_sign_in_names_are_unique_without_regard_to_case(store: SqlStore) -> None:
    await store.users.create(a_user(), password_hash="h1", must_change=True)
    found = await store.users.password("ALICE")
    assert found is not None
    assert (found.user_id, found.hash, found.must_change) == ("u-alice", "h1", True)
    await store.users.create(a_user("other"))
    with pytest.raises(Conflict):
        await store.users.set_password("u-other", "Alice", "h2")
    await store.users.set_password("u-alice", "alice", "h3")
    assert (await store.users.password("alice")).hash == "h3"  # type: ignore[union-attr]


async def test_a_password_for_nobody_is_refused(store: SqlStore) -> None:
    with pytest.raises(NotFound):
        await store.users.set_password("u-nobody", "nobody", "h")


async def test_updating_changes_what_is_given_and_nothing_else(store: SqlStore) -> None:
    await store.users.create(a_user(administrator=True))
    await store.users.create(a_user("root", administrator=True))
    changed = await store.users.update("u-alice", enabled=False, revision=1)
    assert (changed.enabled, changed.administrator, changed.revision) == (False, True, 2)
    with pytest.raises(StaleRevision):
        await store.users.update("u-alice", display_name="Al", revision=1)
    with pytest.raises(NotFound):
        await store.users.update("u-nobody", enabled=False)


async def test_groups_are_replaced_per_provider(store: SqlStore) -> None:
    await store.users.create(a_user())
    one = Membership("github_team://1", "github", "acme/one")
    two = Membership("ldap_group://2", "ldap", "two")
    await store.users.set_memberships("u-alice", "github", [one, one])
    await store.users.set_memberships("u-alice", "ldap", [two])
    assert await store.users.memberships("u-alice") == [one, two]
    await store.users.set_memberships("u-alice", "github", [])
    assert await store.users.memberships("u-alice") == [two]
    with pytest.raises(NotFound):
        await store.users.set_memberships("u-nobody", "ldap", [two])


async def test_a_token_comes_back_with_its_scope_and_utc_times(store: SqlStore) -> None:
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


async def test_a_token_is_resolved_with_everything_that_decides(store: SqlStore) -> None:
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


async def test_the_uses_of_many_tokens_are_recorded_from_the_first_to_the_last(
    store: SqlStore,
) -> None:
    await store.users.create(a_user())
    names = [f"token-{n:04d}" for n in range(1201)]
    there = [names[0], names[600], names[-1]]
    for name in there:
        await store.tokens.create(a_token(name))
    await store.tokens.touch([(name, NOW) for name in reversed(names)])
    used = {token.name: token.last_used_at for token in await store.tokens.list_for("u-alice")}
    assert used == dict.fromkeys(there, NOW)


async def test_ended_tokens_are_cleared_away(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.tokens.create(a_token("token-1", expires_at=NOW))
    await store.tokens.create(a_token("token-2", expires_at=None))
    assert await store.tokens.delete_ended(NOW + timedelta(seconds=1)) == 1
    assert [t.name for t in await store.tokens.list_for("u-alice")] == ["token-2"]


async def test_a_cluster_is_found_by_id_and_name_and_replaced(store: SqlStore) -> None:
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
    with pytest.raises(NotFound):
        await store.clusters.replace(a_cluster("dev"))
    with pytest.raises(NotFound):
        await store.clusters.delete("c-dev")


async def test_what_hangs_on_a_user_or_a_cluster_goes_with_it(store: SqlStore) -> None:
    await store.users.create(a_user(), password_hash="h")
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
    with pytest.raises(NotFound):
        await store.users.delete("u-alice")


async def test_a_naive_time_is_refused_not_guessed(store: SqlStore) -> None:
    await store.users.create(a_user())
    with pytest.raises(Exception, match=r"naive|can't be used"):
        await store.tokens.create(a_token(expires_at=datetime(2026, 1, 1)))  # noqa: DTZ001
