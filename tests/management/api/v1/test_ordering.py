"""Orders over HTTP, checked by the real Cluster API; nothing is made of them here."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from store.interfaces import Store
from store.order_records import ManagementCluster, OrderLimits
from tests.management.api.conftest import Api
from tests.management.api.v1.ordering import ORDER, Place, made
from tests.management.api.v1.ordering import management as management
from tests.management.api.v1.ordering import place as place
from tests.support.capi.management_cluster import ManagementCluster as RealCluster
from tests.support.capi.standin_kinds import CLASS, NAMESPACE

pytestmark = pytest.mark.timeout(600)


async def test_order_is_stored_with_its_class_and_owner(
    api: Api, store: Store, place: Place
) -> None:
    response = await place(
        pools=[{"name": "a", "class": "large", "replicas": 1}],
        workers=None,
        variables={"machineSize": "large"},
        control_plane={"replicas": 1},
    )
    assert response.status == 202, response.body
    assert response.body["provision"]["state"] == "ordered"
    order = await store.orders.by_name("shop")
    assert order is not None
    assert (order.id, order.owner_id) == (response.body["id"], "u-plain")
    assert (order.wanted.class_name, order.wanted.workers) == (CLASS, 1)
    assert order.wanted.variables == {"machineSize": "large"}
    shown = (await api("plain", "GET", "/v1/clusters/shop")).body["provision"]["wanted"]
    assert shown["pools"] == [{"name": "a", "class": "large", "replicas": 1, "kind": "deployment"}]


async def test_dry_run_is_checked_by_the_engine_and_stores_nothing(
    store: Store, place: Place, management_cluster: RealCluster
) -> None:
    response = await place(query="?dry_run=true")
    assert (response.status, response.body["provision"]["wanted"]["workers"]) == (200, 2)
    wrong = await place(query="?dry_run=true", variables={"machineSize": "huge"})
    assert (wrong.status, "must be one of small, large" in wrong.body["detail"]) == (422, True)
    management_cluster.stop_core_manager()
    try:
        away = await place(query="?dry_run=true")
        assert (away.status, "webhooks are not available" in away.body["detail"]) == (503, True)
        assert (await place("patient")).status == 202
    finally:
        management_cluster.start_core_manager()
    assert [one.name for one in await store.orders.list_all()] == ["patient"]
    assert management_cluster.cluster("shop") is None


INVALID: list[tuple[str, dict[str, Any], str]] = [
    ("shop", {"class": "zzz"}, "class"),
    ("shop", {"version": "latest"}, "version"),
    ("shop", {"version": "1.36.3"}, "version"),
    ("shop", {"workers": 21}, "workers of one cluster: 21 of at most 20"),
    ("shop", {"variables": {"zzz": 1}}, "variables.zzz"),
    ("shop", {"variables": {"delay": "ten"}}, "variables.delay"),
    ("shop", {"variables": {"delay": 601}}, "variables.delay"),
    ("shop", {"variables": {"kubeletSuffix": "x" * 33}}, "variables.kubeletSuffix"),
    (
        "shop",
        {"workers": None, "pools": [{"name": "a", "class": "zzz", "replicas": 1}]},
        "pools.0.class",
    ),
    (
        "shop",
        {"workers": None, "pools": [{"name": "A", "class": "large", "replicas": 1}]},
        "pools.0.name",
    ),
    ("a.b", {}, "name"),
    ("1abc", {}, "name"),
    ("a" * 41, {}, "name"),
    ("c-aaaaaaaaaa", {}, "name"),
]
"""Names, changes of the order, and what the problem names."""


async def test_order_that_does_not_fit_its_class_names_the_field_and_makes_nothing(
    store: Store, place: Place, management_cluster: RealCluster
) -> None:
    for name, changes, field in INVALID:
        response = await place(name, **changes)
        assert response.status == 422, response.body
        assert field in response.body["detail"]
    assert await store.orders.list_all() == []
    assert management_cluster.cluster("shop") is None


async def test_refusal_of_the_engine_is_passed_on_where_sekisho_has_no_rule(place: Place) -> None:
    """The longest names are accepted, by the engine as well; a version is the engine's to judge."""
    pools = [{"name": "p" * 40, "class": "large", "replicas": 1}]
    response = await place("a" * 40, workers=None, pools=pools)
    assert response.status == 202, response.body
    version = await place(version="v1.36.3-" + "x" * 30 + "..")
    assert version.status == 422, version.body
    assert "semantic version" in version.body["detail"]


async def test_change_is_refused_by_the_engine_before_anything_changes(
    api: Api,
    store: Store,
    place: Place,
    management: ManagementCluster,
    management_cluster: RealCluster,
) -> None:
    order_id = (await place(version="v1.37.0")).body["id"]
    await made(store, management, order_id)
    try:
        for change, words in (
            ({"version": "v1.35.0"}, "cannot be decreased"),
            ({"version": "v1.39.0"}, "cannot be increased"),
            ({"version": "nonsense"}, "version"),
            ({"workers": 21}, "21 of at most 20"),
            ({"variables": {"delay": "ten"}}, "variables.delay"),
        ):
            body = {"provision": change}
            response = await api("plain", "PATCH", "/v1/clusters/shop", body)
            assert (response.status, words in response.body["detail"]) == (422, True), response.body
        assert (await store.orders.get(order_id)).revision == 1  # type: ignore[union-attr]
        wider = {"workers": 4, "pools": None, "variables": {"machineSize": "large"}}
        path = "/v1/clusters/shop"
        tried = await api("plain", "PATCH", f"{path}?dry_run=true", {"provision": wider})
        assert tried.status == 200
        response = await api("plain", "PATCH", path, {"provision": wider}, If_Match='"1"')
        assert (response.status, response.headers["ETag"]) == (202, '"2"')
        assert response.body["provision"]["wanted"]["workers"] == 4
        again = await api("plain", "PATCH", path, {"provision": wider}, If_Match='"1"')
        assert again.status == 412
        dropped = {"provision": {"variables": {"machineSize": None}}}
        assert (await api("plain", "PATCH", path, dropped)).status == 202
        stored = await store.orders.get(order_id)
        assert stored is not None
        assert (stored.wanted.workers, stored.wanted.variables) == (4, {})
    finally:
        management_cluster.delete_all()


async def test_name_of_a_cluster_that_sekisho_did_not_make_is_taken(
    store: Store, place: Place, management_cluster: RealCluster
) -> None:
    foreign: dict[str, Any] = {
        "apiVersion": "cluster.x-k8s.io/v1beta2",
        "kind": "Cluster",
        "metadata": {"name": "theirs", "namespace": NAMESPACE},
        "spec": {
            "paused": True,
            "topology": {"classRef": {"name": CLASS}, "version": "v1.36.3"},
        },
    }
    management_cluster.apply([foreign])
    try:
        response = await place("theirs")
        assert (response.status, "choose another name" in response.body["detail"]) == (409, True)
        assert await store.orders.list_all() == []
    finally:
        management_cluster.delete_all()


async def test_ten_orders_at_once_are_as_many_as_the_limit(store: Store, place: Place) -> None:
    answers = await asyncio.gather(*(place(f"shop-{n}") for n in range(10)))
    assert sorted(one.status for one in answers) == [202] * 3 + [422] * 7
    detail = next(one.body["detail"] for one in answers if one.status == 422)
    assert detail.startswith("clusters of plain: 4 of at most 3: remove one")
    assert len(await store.orders.list_all()) == 3


async def test_two_orders_of_one_name_at_once_are_one(store: Store, place: Place) -> None:
    answers = await asyncio.gather(*(place() for _ in range(4)))
    assert sorted(one.status for one in answers) == [202, 409, 409, 409]


async def test_repeated_request_with_its_key_is_one_order(
    api: Api, store: Store, management: ManagementCluster
) -> None:
    body = {"name": "shop", "provision": ORDER}
    for _ in range(2):
        response = await api("plain", "POST", "/v1/clusters", body, Idempotency_Key="k-1")
        assert response.status == 202
    assert len(await store.orders.list_all()) == 1


async def test_limits_of_the_management_cluster_replace_those_of_the_settings(
    store: Store, place: Place, management: ManagementCluster
) -> None:
    limits = OrderLimits(workers_per_cluster=30)
    await store.management_clusters.put(replace(management, limits=limits))
    assert (await place(workers=30)).status == 202
    refused = await place("more", workers=31)
    assert "31 of at most 30" in refused.body["detail"]
