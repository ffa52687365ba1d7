"""An order becomes a cluster after a stream has read the access of its orderer."""

from functools import partial

from store.interfaces import Store
from store.order_records import Order
from tests.management.api.conftest import Api
from tests.management.api.test_listing import stream, until
from tests.management.api.v1.interrupted_store import InterruptedStore, import_ordered
from tests.management.api.v1.interrupted_store import api as api
from tests.management.api.v1.interrupted_store import interrupted as interrupted
from tests.management.api.v1.pending_order import order as order


async def test_stream_does_not_say_that_an_order_is_gone_when_it_is_imported(
    api: Api, interrupted: InterruptedStore, store: Store, order: Order
) -> None:
    async with stream(api, "plain", "/v1/clusters?watch=1") as events:
        await until(events, "synced")
        interrupted.only, interrupted.act = "clusters.list_all", partial(import_ordered, store)
        await store.orders.observe("c-shop", state="initialized")
        kind, found = await anext(events)
        while found["provision"]["state"] != "ready":
            assert kind == "modified"
            kind, found = await anext(events)
        assert (kind, found["provision"]["imported"]) == ("modified", True)
