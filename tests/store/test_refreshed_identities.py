"""Tests of the records of refreshes of identities, over both databases."""

from datetime import datetime, timedelta

from store.database import SqlStore
from store.records import Membership
from tests.store.direct_access import execute
from tests.store.principals import GITHUB, LOCAL
from tests.store.records import NOW, a_token, a_user


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
