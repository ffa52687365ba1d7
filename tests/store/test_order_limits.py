"""Tests of the limits of orders, over both databases and two replicas."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from store.database import SqlStore, open_store
from store.encryption import Keyring
from store.errors import Conflict, QuotaExceeded
from store.order_records import AllowedClass, OrderLimits
from tests.store.order_records import NO_LIMITS, an_order, wanting, with_management


@pytest.fixture
async def other(url: str, keyring: Keyring, store: SqlStore) -> AsyncIterator[SqlStore]:
    """Return the store of a second replica."""
    opened = await open_store(url, keyring)
    yield opened
    await opened.close()


async def test_ten_orders_at_once_over_two_replicas_are_as_many_as_the_limit(
    store: SqlStore, other: SqlStore
) -> None:
    await with_management(store)
    quotas = OrderLimits(clusters_per_user=3)
    made = await asyncio.gather(
        *((store, other)[n % 2].orders.create(an_order(f"shop-{n}"), quotas) for n in range(10)),
        return_exceptions=True,
    )
    refused = [one for one in made if isinstance(one, QuotaExceeded)]
    assert len(refused) == 7
    assert len(await store.orders.list_all()) == 3
    assert str(refused[0]) == "clusters of alice: 4 of at most 3"
    assert refused[0].limit == "clusters_per_user"
    await store.orders.create(an_order("bob", owner_id="u-bob"), quotas)


async def test_orders_that_grow_at_once_stay_within_all_workers(
    store: SqlStore, other: SqlStore
) -> None:
    await with_management(store)
    quotas = OrderLimits(workers=10)
    orders = [an_order(f"shop-{n}", workers=1) for n in range(5)]
    for order in orders:
        await store.orders.create(order, quotas)
    made = await asyncio.gather(
        *(
            (store, other)[n % 2].orders.replace(
                replace(order, wanted=wanting(3)), revision=1, quotas=quotas
            )
            for n, order in enumerate(orders)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(one, QuotaExceeded) for one in made) == 3
    assert sum(one.wanted.workers for one in await store.orders.list_all()) == 9


async def test_workers_of_one_cluster_are_limited_and_shrinking_is_allowed(
    store: SqlStore,
) -> None:
    await with_management(store)
    quotas = OrderLimits(workers_per_cluster=4)
    with pytest.raises(QuotaExceeded, match="workers of one cluster: 5 of at most 4"):
        await store.orders.create(an_order(workers=5), quotas)
    order = an_order(workers=8)
    await store.orders.create(order, NO_LIMITS)
    smaller = replace(order, wanted=wanting(6))
    order = await store.orders.replace(smaller, revision=1, quotas=quotas)
    with pytest.raises(QuotaExceeded, match="7 of at most 4"):
        await store.orders.replace(replace(order, wanted=wanting(7)), revision=2, quotas=quotas)


async def test_limit_of_a_management_cluster_counts_there_in_place_of_the_settings(
    store: SqlStore,
) -> None:
    await with_management(store, "mgmt", limits=OrderLimits(clusters_per_user=2, workers=5))
    await with_management(store, "other")
    quotas = OrderLimits(clusters_per_user=1, workers=4)
    await store.orders.create(an_order("a", management_id="c-other", workers=3), quotas)
    await store.orders.create(an_order("b", workers=4), quotas)
    with pytest.raises(
        QuotaExceeded, match="workers of all clusters in this management cluster: 6 of at most 5"
    ):
        await store.orders.create(an_order("c", workers=2), quotas)
    await store.orders.create(an_order("c", workers=1), quotas)
    with pytest.raises(
        QuotaExceeded, match="clusters of alice in this management cluster: 3 of at most 2"
    ):
        await store.orders.create(an_order("d", workers=0), quotas)


async def test_limit_of_a_class_counts_orders_of_the_class(store: SqlStore) -> None:
    await with_management(store, classes=(AllowedClass("standin", clusters=1),))
    await store.orders.create(an_order("a"), NO_LIMITS)
    with pytest.raises(QuotaExceeded, match="clusters of class standin: 2 of at most 1"):
        await store.orders.create(an_order("b"), NO_LIMITS)
    await store.orders.create(an_order("b", wanted=wanting(class_name="other")), NO_LIMITS)


async def test_adopted_clusters_count_for_no_limit_and_removed_ones_until_they_are_gone(
    store: SqlStore,
) -> None:
    await with_management(store)
    quotas = OrderLimits(clusters_per_user=1, workers=2)
    await store.orders.create(an_order("adopted", workers=90, adopted=True), quotas)
    await store.orders.create(an_order("a"), quotas)
    with pytest.raises(QuotaExceeded):
        await store.orders.create(an_order("b"), quotas)
    await store.orders.delete_requested("c-a", "delete")
    with pytest.raises(QuotaExceeded):  # its machines still cost money
        await store.orders.create(an_order("b"), quotas)
    await store.orders.delete("c-a")
    await store.orders.create(an_order("b"), quotas)


async def test_clusters_that_are_released_count_until_they_are_gone(store: SqlStore) -> None:
    await with_management(store)
    await with_management(store, "other")
    quotas = OrderLimits(clusters_per_user=2, workers=4)
    await store.orders.create(an_order("a", workers=2), quotas)
    await store.orders.delete_requested("c-a", "keep")
    with pytest.raises(QuotaExceeded, match="5 of at most 4, with 1 cluster that stayed"):
        await store.orders.create(an_order("b", workers=3), quotas)
    again = an_order("a", id="c-again", management_id="c-other", workers=1)
    await store.orders.create(again, quotas)  # The name is free, and the machines are counted.
    with pytest.raises(QuotaExceeded, match="clusters of alice: 3 of at most 2, with 1 cluster"):
        await store.orders.create(an_order("b", workers=1), quotas)
    await store.orders.delete("c-a")
    await store.orders.create(an_order("b", workers=1), quotas)


async def test_cluster_that_is_released_keeps_its_name_in_the_engine_until_it_is_adopted(
    store: SqlStore,
) -> None:
    await with_management(store)
    await store.orders.create(an_order("a"), NO_LIMITS)
    await store.orders.delete_requested("c-a", "keep")
    with pytest.raises(Conflict, match="was released"):
        await store.orders.create(an_order("a", id="c-new"), NO_LIMITS)
    assert await store.orders.get("c-a") is not None
    await store.orders.create(an_order("a", id="c-new", adopted=True), NO_LIMITS)
    assert await store.orders.get("c-a") is None
