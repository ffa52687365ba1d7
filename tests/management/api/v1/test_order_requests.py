"""Orders are placed, changed, and removed over HTTP, while no management cluster responds."""

from dataclasses import replace
from typing import Any

import pytest

from management.authorization.permissions import EDIT_CLUSTER
from management.identity.tokens import TokenSpec
from store.access_records import Role
from store.interfaces import Store
from tests.management.api.conftest import Api
from tests.management.api.v1.pending_order import order as order
from tests.store.order_records import NO_LIMITS, an_order
from tests.store.records import NOW, a_binding, a_cluster

ORDER = {"class": "standin", "version": "v1.36.3", "workers": 2}


async def test_order_is_removed_only_with_a_decision_about_its_machines(
    api: Api, store: Store
) -> None:
    refused = await api("plain", "DELETE", "/v1/clusters/shop")
    assert refused.status == 422
    assert "delete (its machines are deleted) or keep" in refused.body["detail"]
    for query, status in (
        ("?infrastructure=both", 422),
        ("?infrastructure=delete&keep_cluster_objects=true", 422),
    ):
        assert (await api("plain", "DELETE", f"/v1/clusters/shop{query}")).status == status
    assert (await store.orders.get("c-shop")).deleting_since is None  # type: ignore[union-attr]
    gone = "/v1/clusters/shop?infrastructure=delete"
    assert (await api("auditor", "DELETE", gone)).status == 403
    assert (await api("c-owner", "DELETE", gone)).status == 404
    assert (await api("plain", "DELETE", gone, If_Match='"7"')).status == 412
    response = await api("plain", "DELETE", gone, If_Match='"1"')
    assert (response.status, response.body["provision"]["infrastructure"]) == (202, "delete")
    assert response.body["provision"]["state"] == "deleting"
    assert (await api("plain", "DELETE", gone)).status == 202
    other = await api("plain", "DELETE", "/v1/clusters/shop?infrastructure=keep")
    assert other.status == 409


async def test_released_order_of_a_cluster_is_not_shown_and_its_name_is_free(
    api: Api, store: Store
) -> None:
    response = await api("plain", "DELETE", "/v1/clusters/shop?infrastructure=keep")
    assert (response.status, response.body["provision"]["state"]) == (202, "released")
    assert (await api("plain", "GET", "/v1/clusters/shop")).status == 404
    assert (await api("plain", "GET", "/v1/clusters")).body["items"] == []
    imported = await api("standard", "POST", "/v1/clusters", {"name": "shop", "kubeconfig": "x"})
    assert (imported.status, "not a kubeconfig" in imported.body["detail"]) == (422, True)
    other = an_order(id="c-new", engine_name="shop-2", management_id="c-prod")
    await store.orders.create(other, NO_LIMITS)
    assert (await store.orders.get("c-shop")).name == "c-shop"  # type: ignore[union-attr]


async def test_imported_cluster_is_shut_by_its_removal(api: Api, store: Store) -> None:
    await store.clusters.create(a_cluster("shop"))
    response = await api("admin", "DELETE", "/v1/clusters/shop?infrastructure=delete")
    assert response.status == 202
    assert response.body["removing_since"] is not None
    kept = "/v1/clusters/prod?infrastructure=keep"
    assert (await api("admin", "DELETE", kept)).status == 422  # it was not ordered


async def test_pools_that_a_client_leaves_out_as_null_are_not_removed(
    api: Api, store: Store
) -> None:
    unset = {"version": "v1.37.0", "workers": None, "pools": None}
    response = await api("plain", "PATCH", "/v1/clusters/shop", {"provision": unset})
    assert (response.status, "remove all machines" in str(response.body)) == (422, True)


async def test_repeated_release_of_an_imported_cluster_has_the_same_answer(
    api: Api, store: Store
) -> None:
    await store.clusters.create(a_cluster("shop"))
    path = "/v1/clusters/shop?infrastructure="
    for how, status in (("keep", 202), ("keep", 202), ("delete", 409)):
        response = await api("admin", "DELETE", f"{path}{how}")
        assert response.status == status, response.body


async def test_paused_order_is_not_deleted(api: Api, store: Store) -> None:
    await store.orders.observe("c-shop", state="paused", message="The Cluster is paused.")
    response = await api("plain", "DELETE", "/v1/clusters/shop?infrastructure=delete")
    assert (response.status, "The Cluster is paused" in response.body["detail"]) == (409, True)


async def test_adopted_cluster_is_neither_changed_nor_deleted(api: Api, store: Store) -> None:
    adopted = an_order("gitops", management_id="c-prod", owner_id="u-plain", adopted=True)
    await store.orders.create(adopted, NO_LIMITS)
    path = "/v1/clusters/gitops"
    changed = await api("plain", "PATCH", path, {"provision": {"workers": 1}})
    assert (changed.status, "was adopted" in changed.body["detail"]) == (409, True)
    assert (await api("plain", "DELETE", f"{path}?infrastructure=delete")).status == 422
    assert (await api("plain", "DELETE", path)).body["provision"]["state"] == "released"


@pytest.mark.parametrize(
    ("who", "body", "status"),
    [
        ("plain", {"name": "new"}, 422),
        ("plain", {"name": "new", "provision": ORDER, "kubeconfig": "x"}, 422),
        ("plain", {"name": "new", "provision": ORDER, "context": "x"}, 422),
        ("plain", {"name": "new", "provision": ORDER | {"workers": -1}}, 422),
        ("plain", {"name": "new", "provision": ORDER | {"workers": "2"}}, 422),
        ("plain", {"name": "new", "provision": ORDER | {"pools": []}}, 422),
        ("plain", {"name": "new", "provision": ORDER | {"more": 1}}, 422),
        ("plain", {"name": "new", "provision": ORDER | {"control_plane": {"replicas": 8}}}, 422),
        ("plain", {"name": "new", "provision": ORDER | {"management": "zzz"}}, 422),
        ("plain", {"name": "new", "provision": ORDER | {"management": "other"}}, 422),
        ("plain", {"name": "new", "kubeconfig": "x"}, 403),
        ("plain", {"name": "new", "adopt": {"management": "prod", "cluster": "x"}}, 403),
        ("standard", {"name": "new", "provision": ORDER}, 403),
        ("standard", {"name": "new", "adopt": {"management": "prod", "cluster": "x"}}, 422),
        ("c-owner", {"name": "new", "provision": ORDER}, 403),
        ("auditor", {"name": "new", "provision": ORDER}, 403),
        ("plain", {"name": "new", "provision": ORDER}, 503),
        ("admin", {"name": "new", "adopt": {"management": "prod", "cluster": "x"}}, 503),
    ],
)
async def test_order_that_is_not_valid_or_permitted_or_checked_stores_nothing(
    api: Api, store: Store, who: str, body: dict[str, Any], status: int
) -> None:
    response = await api(who, "POST", "/v1/clusters", body)
    assert response.status == status, response.body
    if status == 503:
        assert response.headers["Retry-After"] == "10"
        assert "127.0.0.1" not in str(response.body)
    assert [one.name for one in await store.orders.list_all()] == ["shop"]


async def test_adoption_needs_all_that_an_owner_of_the_management_cluster_holds(
    api: Api, store: Store
) -> None:
    role = Role("r-editor", "cluster", "editor", permissions=(EDIT_CLUSTER,), created_at=NOW)
    await store.roles.create(role)
    await store.bindings.create(a_binding("u-standard", role.id))
    body = {"name": "new", "adopt": {"management": "prod", "cluster": "x"}}
    refused = await api("standard", "POST", "/v1/clusters", body)
    assert (refused.status, "all that an owner of" in refused.body["detail"]) == (403, True)
    await store.bindings.create(a_binding("u-standard", "cluster-owner"))
    assert (await api("standard", "POST", "/v1/clusters", body)).status == 503


async def test_name_of_an_order_is_taken_for_an_import(api: Api) -> None:
    body = {"name": "shop", "kubeconfig": "x"}
    assert (await api("standard", "POST", "/v1/clusters", body)).status == 409
    body = {"name": "shop", "servers": ["https://192.0.2.1"]}  # type: ignore[dict-item]
    assert (await api("standard", "POST", "/v1/registrations", body)).status == 409


async def test_changes_of_an_order_are_sent_alone_and_need_cluster_edit(
    api: Api, store: Store
) -> None:
    change = {"provision": {"workers": 3}}
    for who, body, status in (
        ("plain", change | {"labels": {}}, 422),
        ("plain", {"labels": {"a": "b"}}, 409),
        ("plain", {"provision": {"class": "other"}}, 422),
        ("plain", {"provision": {"workers": -1}}, 422),
        ("plain", {"provision": {"workers": 1, "pools": []}}, 422),
        ("plain", {"provision": {"version": None, "pools": None}}, 422),
        ("plain", change, 503),
        ("auditor", change, 403),
        ("c-owner", change, 404),
    ):
        response = await api(who, "PATCH", "/v1/clusters/shop", body)
        expected = {503, 422} if status == 422 else {status}
        assert response.status in expected, (body, response.body)
    assert (await api("plain", "PATCH", "/v1/clusters/shop", change, If_Match='"7"')).status == 412
    assert (await api("c-owner", "PATCH", "/v1/clusters/prod", change)).status == 409
    assert (await store.orders.get("c-shop")).revision == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("limit", ["clusters", "projects"])
async def test_token_for_clusters_or_projects_reaches_no_order(
    api: Api, store: Store, limit: str
) -> None:
    user = await store.users.get("u-plain")
    assert user is not None
    limits: Any = {limit: ("c-shop" if limit == "clusters" else "p-shop",)}
    bearer = (await api.tokens.issue(user, TokenSpec(kind="token", **limits))).bearer
    sent = {"Authorization": f"Bearer {bearer}"}
    for method, path in (
        ("GET", "/v1/clusters/shop"),
        ("POST", "/v1/clusters"),
        ("PATCH", "/v1/clusters/shop"),
        ("DELETE", "/v1/clusters/shop?infrastructure=delete"),
        ("GET", "/v1/provisioning/classes"),
    ):
        async with api.client.request(method, path, headers=sent, json={}) as response:
            assert response.status == 403


async def test_classes_of_a_management_cluster_that_is_away_are_named_as_such(api: Api) -> None:
    response = await api("plain", "GET", "/v1/provisioning/classes")
    assert response.body["items"] == []
    (away,) = response.body["away"]
    assert (away["management"], "does not respond" in away["problem"]) == ("prod", True)
    assert (await api("standard", "GET", "/v1/provisioning/classes")).body == {
        "items": [],
        "away": [],
    }
    assert (await api("plain", "GET", "/v1/clusters/shop/machines")).status == 503
    assert (await api("c-owner", "GET", "/v1/clusters/prod/machines")).body["items"] == []


async def test_management_cluster_with_orders_is_not_removed(api: Api, store: Store) -> None:
    response = await api("admin", "DELETE", "/v1/clusters/prod")
    assert (response.status, "has orders: shop" in response.body["detail"]) == (409, True)
    cluster = await store.clusters.get("c-prod")
    assert cluster == replace(cluster, removing_since=None)  # type: ignore[type-var]


async def test_management_cluster_with_released_orders_only_is_removed(
    api: Api, store: Store
) -> None:
    await store.orders.delete_requested("c-shop", "keep")
    response = await api("admin", "DELETE", "/v1/clusters/prod")
    assert response.status == 202, response.body
    assert response.body["removal_pending"] == "the cluster does not respond"
    kept = await api("admin", "DELETE", "/v1/clusters/prod?keep_cluster_objects=true")
    assert kept.status == 200, kept.body
    [sentence] = kept.body["left"]
    assert "Sekisho's objects are left in the cluster" in sentence
    assert await store.orders.get("c-shop") is None
