"""Retention of inactive users, with a real store."""

from datetime import timedelta

from management.identity.retention import disable_inactive_users
from store.database import SqlStore
from tests.store.records import NOW, a_token, a_user

DAY = timedelta(days=1)


async def test_inactive_user_is_disabled_then_deleted_and_administrators_stay(
    store: SqlStore,
) -> None:
    long_ago = NOW - 400 * DAY
    await store.users.create(a_user("alice", created_at=long_ago))
    await store.users.create(a_user("root", created_at=long_ago, administrator=True))
    await store.users.create(a_user("bob", created_at=NOW))
    await store.tokens.create(a_token("token-a", created_at=long_ago))
    both = (90 * DAY, 180 * DAY)
    assert await disable_inactive_users(store, NOW, *both) == (["u-alice"], [])
    assert await store.tokens.get("token-a") is None
    assert await disable_inactive_users(store, NOW, 90 * DAY, None) == ([], [])
    assert await disable_inactive_users(store, NOW, *both) == ([], ["u-alice"])
    assert [one.id for one in await store.users.list_all()] == ["u-bob", "u-root"]
    assert await store.users.any_administrator()
