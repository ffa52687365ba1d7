"""An order becomes a cluster in the middle of a request of its orderer."""

from collections.abc import AsyncIterator, Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any

import pytest

from store.interfaces import Store
from store.order_records import Order
from tests.management.api.conftest import Answer, Api
from tests.management.api.v1.pending_order import order as order
from tests.store.records import NOW, a_binding, a_cluster
from tests.support.management_app import make_token_issuer, serve_management

MOST_READS = 60
"""More reads of the store than a request has."""


class InterruptedStore:
    """A store in which ``act`` happens once, before the call that ``after`` calls precede."""

    def __init__(self, store: Store) -> None:
        self.act: Callable[[], Awaitable[None]] | None = None
        self.after = 0
        self._store = store

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        return InterruptedRepository(self, found) if type(found).__name__[:3] == "Sql" else found

    async def called(self) -> None:
        """Count a call."""
        if self.act is None:
            return
        if self.after > 0:
            self.after -= 1
            return
        act, self.act = self.act, None
        await act()


class InterruptedRepository:
    """A repository whose calls are counted."""

    def __init__(self, store: InterruptedStore, repository: Any) -> None:
        self._store = store
        self._repository = repository

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._repository, name)
        if not iscoroutinefunction(found):
            return found

        async def counted(*arguments: Any, **named: Any) -> Any:
            await self._store.called()
            return await found(*arguments, **named)

        return counted


@pytest.fixture
def interrupted(store: Store) -> InterruptedStore:
    return InterruptedStore(store)


@pytest.fixture
async def api(interrupted: Any) -> AsyncIterator[Api]:
    tokens = make_token_issuer(interrupted)
    async with serve_management(interrupted, tokens) as client:
        yield Api(interrupted, tokens, client)


async def answers(
    api: Api, interrupted: InterruptedStore, store: Store, path: str
) -> AsyncIterator[Answer]:
    """Send a request for each of its reads, before which the import happens."""

    async def imported() -> None:
        owner = a_binding("u-plain", "cluster-owner", "c-shop")
        await store.clusters.create(a_cluster("shop"), owner=owner)
        await store.orders.observe("c-shop", state="ready", imported_at=NOW)

    for reads in range(MOST_READS):
        interrupted.act, interrupted.after = imported, reads
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
