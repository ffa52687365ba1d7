"""An order becomes a cluster in the middle of a request of its orderer."""

from collections.abc import AsyncIterator
from functools import partial

import pytest

from store.interfaces import Store
from store.order_records import Order
from tests.management.api.conftest import Answer, Api
from tests.management.api.v1.interrupted_store import InterruptedStore, import_ordered
from tests.management.api.v1.interrupted_store import api as api
from tests.management.api.v1.interrupted_store import interrupted as interrupted
from tests.management.api.v1.pending_order import order as order
from tests.store.records import a_cluster

MOST_READS = 60
"""More reads of the store than a request has."""


async def answers(
    api: Api, interrupted: InterruptedStore, store: Store, path: str
) -> AsyncIterator[Answer]:
    """Send a request for each of its reads, before which the import happens."""

    for reads in range(MOST_READS):
        interrupted.act, interrupted.after = partial(import_ordered, store), reads
        yield await api("plain", "GET", path)
        if interrupted.act is not None:
            return
        await store.clusters.delete("c-shop")
    raise AssertionError("the request has more reads")


@pytest.mark.parametrize(
    ("path", "statuses"),
    [
        ("/v1/clusters/shop", {200}),
        ("/v1/clusters/c-shop", {200}),
        ("/v1/clusters/shop/members", {200, 409}),
        ("/v1/clusters/shop/events", {200, 409}),
    ],
)
async def test_orderer_never_gets_404_while_the_order_is_imported(
    api: Api,
    interrupted: InterruptedStore,
    store: Store,
    order: Order,
    path: str,
    statuses: set[int],
) -> None:
    found = [one.status async for one in answers(api, interrupted, store, path)]
    assert set(found) == statuses, found


@pytest.mark.parametrize("query", ["", "?limit=5", "?limit=1&sort=-created_at", "?name=shop"])
async def test_order_is_in_each_list_once_while_it_is_imported(
    api: Api, interrupted: InterruptedStore, store: Store, order: Order, query: str
) -> None:
    async for answer in answers(api, interrupted, store, f"/v1/clusters{query}"):
        assert [one["name"] for one in answer.body["items"]] == ["shop"]


async def test_cluster_that_its_orderer_left_stays_hidden(
    api: Api, store: Store, order: Order
) -> None:
    await store.clusters.create(a_cluster("shop"))
    for path in ("/v1/clusters/shop", "/v1/clusters/shop/members"):
        assert (await api("plain", "GET", path)).status == 404
    assert (await api("plain", "GET", "/v1/clusters")).body["items"] == []
