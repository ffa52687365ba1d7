"""An order becomes a cluster after a stream has read the access of its orderer."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from store.interfaces import Store
from store.order_records import Order
from tests.management.api.conftest import Api
from tests.management.api.test_listing import stream, until
from tests.management.api.v1.pending_order import order as order
from tests.store.records import NOW, a_binding, a_cluster
from tests.support.management_app import make_token_issuer, serve_management

Act = Callable[[], Awaitable[None]]


class InterruptedStore:
    """A store in which something happens once, before clusters are listed."""

    def __init__(self, store: Store) -> None:
        self.before: Act | None = None
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @property
    def clusters(self) -> "InterruptedClusters":
        return InterruptedClusters(self, self._store.clusters)


class InterruptedClusters:
    def __init__(self, store: InterruptedStore, clusters: Any) -> None:
        self._store = store
        self._clusters = clusters

    def __getattr__(self, name: str) -> Any:
        return getattr(self._clusters, name)

    async def list_all(self) -> Any:
        act, self._store.before = self._store.before, None
        if act is not None:
            await act()
        return await self._clusters.list_all()


@pytest.fixture
def interrupted(store: Store) -> InterruptedStore:
    return InterruptedStore(store)


@pytest.fixture
async def api(interrupted: Any) -> AsyncIterator[Api]:
    tokens = make_token_issuer(interrupted)
    async with serve_management(interrupted, tokens) as client:
        yield Api(interrupted, tokens, client)


async def test_stream_does_not_say_that_an_order_is_gone_when_it_is_imported(
    api: Api, interrupted: InterruptedStore, store: Store, order: Order
) -> None:
    async def imported() -> None:
        owner = a_binding("u-plain", "cluster-owner", "c-shop")
        await store.clusters.create(a_cluster("shop"), owner=owner)
        await store.orders.observe("c-shop", state="ready", imported_at=NOW)

    async with stream(api, "plain", "/v1/clusters?watch=1") as events:
        await until(events, "synced")
        interrupted.before = imported
        await store.orders.observe("c-shop", state="initialized")
        kind, found = await anext(events)
        while found["provision"]["state"] != "ready":
            assert kind == "modified"
            kind, found = await anext(events)
        assert (kind, found["provision"]["imported"]) == ("modified", True)
