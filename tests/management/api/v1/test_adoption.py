"""Adopted clusters, and the classes and machines that the real Cluster API reports."""

from dataclasses import replace

import pytest

from management.kubernetes.manifests import CLUSTER_LABEL
from management.provisioning.engine import manifest_of
from store.interfaces import Store
from store.order_records import AllowedClass, ManagementCluster
from tests.management.api.conftest import Api
from tests.management.api.v1.ordering import Place, made, paused
from tests.management.api.v1.ordering import management as management
from tests.management.api.v1.ordering import place as place
from tests.store.order_records import NO_LIMITS, an_order, wanting
from tests.store.records import a_binding
from tests.support.capi.management_cluster import ManagementCluster as RealCluster
from tests.support.capi.standin_kinds import CLASS, NAMESPACE

pytestmark = pytest.mark.timeout(600)


async def test_cluster_that_others_made_is_adopted_once(
    api: Api, store: Store, management: ManagementCluster, management_cluster: RealCluster
) -> None:
    order = an_order("gitops", wanted=wanting(class_name=CLASS, pools=(), variables={}))
    manifest = manifest_of(order, NAMESPACE)
    del manifest["metadata"]["labels"][CLUSTER_LABEL]
    management_cluster.apply([paused(manifest)])
    try:
        body = {"name": "team-a", "adopt": {"management": "mgmt", "cluster": "gitops"}}
        response = await api("admin", "POST", "/v1/clusters", body)
        assert response.status == 202, response.body
        assert response.body["provision"]["adopted"]
        assert response.body["provision"]["version"] == "v1.36.3"
        again = await api("admin", "POST", "/v1/clusters", body | {"name": "team-b"})
        assert (again.status, "has the cluster gitops already" in again.body["detail"]) == (
            409,
            True,
        )
        body = {"name": "none", "adopt": {"management": "mgmt", "cluster": "none"}}
        missing = await api("admin", "POST", "/v1/clusters", body)
        assert (missing.status, 'no Cluster "none"' in missing.body["detail"]) == (422, True)
        (stored,) = await store.orders.list_all()
        assert (stored.engine_name, stored.engine_uid is not None) == ("gitops", True)
        assert (await api("admin", "DELETE", "/v1/clusters/team-a")).status == 202
        body = {"name": "team-b", "adopt": {"management": "mgmt", "cluster": "gitops"}}
        assert (await api("admin", "POST", "/v1/clusters", body)).status == 202
        assert [one.name for one in await store.orders.list_all()] == ["team-b"]
    finally:
        management_cluster.delete_all()


async def test_cluster_of_an_order_is_adopted_only_after_its_release(
    api: Api,
    store: Store,
    place: Place,
    management: ManagementCluster,
    management_cluster: RealCluster,
) -> None:
    order_id = (await place()).body["id"]
    await made(store, management, order_id)
    try:
        body = {"name": "again", "adopt": {"management": "mgmt", "cluster": "shop"}}
        refused = await api("admin", "POST", "/v1/clusters", body)
        assert (refused.status, "that of the order shop" in refused.body["detail"]) == (409, True)
        await store.orders.delete_requested(order_id, "keep")
        taken = await place()
        assert (taken.status, "choose another name" in taken.body["detail"]) == (409, True)
        assert (await api("admin", "POST", "/v1/clusters", body)).status == 202
        assert [one.name for one in await store.orders.list_all()] == ["again"]
    finally:
        management_cluster.delete_all()


async def test_class_for_holders_of_a_role_is_hidden_from_others(
    api: Api, store: Store, place: Place, management: ManagementCluster
) -> None:
    allowed = (AllowedClass(CLASS, ("standard-user",)),)
    await store.management_clusters.put(replace(management, classes=allowed))
    assert (await place()).status == 422
    assert (await api("plain", "GET", "/v1/provisioning/classes")).body["items"] == []
    await store.bindings.create(a_binding("u-plain", "standard-user", None))
    (found,) = (await api("plain", "GET", "/v1/provisioning/classes")).body["items"]
    assert (found["name"], found["orderable"], found["problem"]) == (CLASS, True, "")
    assert {one["name"] for one in found["workers"]} == {"default", "large"}
    schemas = {one["name"]: one["schema"] for one in found["variables"]}
    assert schemas["machineSize"]["enum"] == ["small", "large"]
    assert (await place()).status == 202


async def test_machines_are_those_that_the_engine_reports(
    api: Api, store: Store, management: ManagementCluster
) -> None:
    await store.orders.create(
        an_order(management_id=management.cluster_id, owner_id="u-plain"), NO_LIMITS
    )
    response = await api("plain", "GET", "/v1/clusters/shop/machines")
    assert (response.status, response.body["items"]) == (200, [])
