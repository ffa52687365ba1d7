"""A store with every kind of encrypted value, and the result of a rotation."""

from datetime import UTC, datetime, timedelta

from store.database import SqlStore
from store.records import StoredProvider
from tests.store.order_records import NO_LIMITS, a_management, an_order
from tests.store.records import NOW, a_cluster, a_user


async def fill(store: SqlStore) -> None:
    """Store a record with every encrypted value, and one of each kind without any."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    for name in ("alice", "bob"):
        await store.users.create(a_user(name))
    await store.identities.seen("local://u-alice", NOW, "refresh-me")
    for name in ("prod", "mgmt"):
        await store.clusters.create(a_cluster(name))
    await store.management_clusters.put(a_management("mgmt"))
    await store.orders.create(an_order("shop", management_id="c-mgmt"), NO_LIMITS)
    corp = StoredProvider("corp", "ldap", True, {"bind_password": "x"}, "required", (), NOW)
    await store.providers.create(corp)
    for key in (b"k" * 32, b"l" * 32):
        await store.idempotency_records.begin(key, b"r" * 32, tomorrow)
    await store.idempotency_records.finish(b"k" * 32, 201, "{}", tomorrow)


async def rotated(store: SqlStore) -> dict[str, int]:
    """Rotate the keys; return how many records changed, by table, without zeros."""
    tables = await store.rotate_keys()
    assert all(one.left == 0 for one in tables)
    return {one.table: one.changed for one in tables if one.changed}
