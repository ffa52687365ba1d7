"""Orders whose variables cannot be decrypted: their encryption key is lost."""

from pathlib import Path

import pytest

from store.interfaces import Store
from tests.management.api.conftest import Api
from tests.management.api.v1.pending_order import VALUES
from tests.management.api.v1.pending_order import order as order
from tests.store.direct_access import execute
from tests.store.order_records import NO_LIMITS, an_order
from tests.store.records import a_cluster


@pytest.fixture(autouse=True)
async def _key_lost(order: object, store: Store, tmp_path: Path) -> None:
    imported = an_order("imported", management_id="c-prod", owner_id="u-plain")
    await store.orders.create(imported, NO_LIMITS)
    await store.clusters.create(a_cluster("imported"))
    await execute(f"sqlite:///{tmp_path}/store.db", "UPDATE orders SET variables = X'00'")


@pytest.mark.parametrize("query", ["", "?limit=10", "?sort=-created_at&limit=1"])
async def test_clusters_are_listed_although_variables_of_orders_are_unreadable(
    api: Api, query: str
) -> None:
    names = [
        one["name"]
        for one in (await api("admin", "GET", f"/v1/clusters{query}")).body["items"]
        if "provision" in one
    ]
    assert names == ["imported", "shop"] or (len(names) == 1 and "limit=1" in query)
    assert (await api("plain", "GET", "/v1/provisioning/classes")).status == 200


async def test_lists_have_no_values_of_variables(api: Api) -> None:
    response = await api("plain", "GET", "/v1/clusters")
    assert "wanted" not in response.body["items"][0]["provision"]
    assert VALUES["password"] not in str(response.body)


async def test_order_with_unreadable_variables_is_shown_with_the_reason_and_not_changed(
    api: Api, store: Store
) -> None:
    shown = (await api("plain", "GET", "/v1/clusters/shop")).body["provision"]
    assert shown["unreadable"] == "the stored variables cannot be decrypted"
    assert shown["wanted"]["variables"] == {}
    change = {"provision": {"version": "v1.37.0"}}
    refused = await api("plain", "PATCH", "/v1/clusters/shop", change)
    assert (refused.status, "put the encryption key back" in refused.body["detail"]) == (409, True)
    assert (await store.orders.get("c-shop")).revision == 1  # type: ignore[union-attr]
    gone = await api("plain", "DELETE", "/v1/clusters/shop?infrastructure=delete")
    assert gone.status == 202
