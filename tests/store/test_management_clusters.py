"""Tests of management clusters, over both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from store.database import SqlStore
from store.errors import Conflict, RecordNotFound, StaleRevision
from store.order_records import AllowedClass, OrderLimits
from store.records import Change
from tests.store.order_records import NO_LIMITS, a_management, an_order, with_management
from tests.store.records import NOW, a_cluster


async def test_management_cluster_is_stored_replaced_and_made_ordinary(store: SqlStore) -> None:
    await store.clusters.create(a_cluster("mgmt"))
    first = a_management(
        classes=(AllowedClass("standin", ("role-a",), 3), AllowedClass("other")),
        limits=OrderLimits(workers=8),
    )
    assert await store.management_clusters.put(first) == first
    second = await store.management_clusters.put(replace(first, classes=()), revision=1)
    assert second == replace(first, classes=(), revision=2)
    assert await store.management_clusters.get("c-mgmt") == second
    assert await store.management_clusters.list_all() == [second]
    with pytest.raises(StaleRevision):
        await store.management_clusters.put(first, revision=1)
    await store.management_clusters.delete("c-mgmt")
    assert await store.management_clusters.get("c-mgmt") is None
    assert await store.clusters.get("c-mgmt") is not None


async def test_unknown_cluster_cannot_be_a_management_cluster(store: SqlStore) -> None:
    with pytest.raises(RecordNotFound):
        await store.management_clusters.put(a_management())
    with pytest.raises(RecordNotFound, match="no management cluster"):
        await store.management_clusters.put(a_management(), revision=1)
    with pytest.raises(RecordNotFound, match="no management cluster"):
        await store.management_clusters.delete("c-mgmt")
    assert await store.management_clusters.get("c-\0") is None
    assert not await store.management_clusters.renew_token("c-mgmt", "new", NOW)


async def test_renewed_token_keeps_the_revision_and_is_announced(store: SqlStore) -> None:
    await with_management(store)
    ends = NOW + timedelta(days=60)
    async with store.changes.subscribe() as changes:
        assert await store.management_clusters.renew_token("c-mgmt", "newer", ends)
        assert await anext(changes) == Change("management-cluster", "c-mgmt")
    expected = a_management(token="newer", token_expires_at=ends)
    assert await store.management_clusters.get("c-mgmt") == expected


async def test_management_cluster_with_orders_is_neither_removed_nor_made_ordinary(
    store: SqlStore,
) -> None:
    await with_management(store)
    for number in range(7):
        await store.orders.create(an_order(f"shop-{number}"), NO_LIMITS)
    named = "shop-0, shop-1, shop-2, shop-3, shop-4 and 2 more; delete or release them first"
    cluster = await store.clusters.get("c-mgmt")
    assert cluster is not None
    with pytest.raises(Conflict, match=named):
        await store.clusters.replace(replace(cluster, removing_since=NOW))
    with pytest.raises(Conflict, match=named):
        await store.clusters.delete("c-mgmt")
    with pytest.raises(Conflict, match=named):
        await store.management_clusters.delete("c-mgmt")
    for number in range(7):
        assert await store.orders.delete(f"c-shop-{number}")
    await store.clusters.delete("c-mgmt")
    assert await store.management_clusters.list_all() == []


async def test_management_cluster_that_is_being_removed_takes_no_orders(store: SqlStore) -> None:
    await with_management(store)
    cluster = await store.clusters.get("c-mgmt")
    assert cluster is not None
    await store.clusters.replace(replace(cluster, removing_since=NOW))
    with pytest.raises(Conflict, match="the management cluster is being removed"):
        await store.orders.create(an_order(), NO_LIMITS)
    with pytest.raises(RecordNotFound, match="c-other is no management cluster"):
        await store.orders.create(an_order(management_id="c-other"), NO_LIMITS)


async def test_released_orders_block_neither_names_nor_the_end_of_their_management_cluster(
    store: SqlStore,
) -> None:
    await with_management(store)
    for name in ("shop", "other"):
        await store.orders.create(an_order(name), NO_LIMITS)
        await store.orders.delete_requested(f"c-{name}", "keep")
    await store.clusters.create(a_cluster("other", id="c-new"))
    adopted = an_order(id="c-again", adopted=True)
    await store.orders.create(adopted, NO_LIMITS)
    assert await store.orders.get("c-shop") is None
    assert [one.name for one in await store.orders.page("name", limit=5)] == ["shop"]
    await store.orders.delete("c-again")
    await store.management_clusters.delete("c-mgmt")
    assert await store.orders.list_all() == []
