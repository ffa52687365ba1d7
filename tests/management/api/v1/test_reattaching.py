"""Orders are attached to a Cluster that was moved to the real Cluster API, over HTTP."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from management.provisioning.engine import manifest_of
from store.interfaces import Store
from store.order_records import ManagementCluster, Order
from tests.management.api.conftest import Api
from tests.management.api.v1.ordering import management as management
from tests.management.api.v1.ordering import paused
from tests.store.order_records import NO_LIMITS, a_management, an_order, wanting
from tests.store.records import a_binding, a_cluster
from tests.support.capi.management_cluster import ManagementCluster as RealCluster
from tests.support.capi.standin_kinds import CLASS, NAMESPACE

pytestmark = pytest.mark.timeout(600)

PATH = "/v1/clusters/shop"
MOVE = {"provision": {"management": "mgmt"}}


@pytest.fixture
async def moved(store: Store) -> Order:
    """An order of ``plain``, whose Cluster is no longer in the management cluster ``prod``."""
    await store.management_clusters.put(a_management("prod"))
    order = an_order(
        management_id="c-prod",
        owner_id="u-plain",
        wanted=wanting(class_name=CLASS, pools=(), variables={}),
        engine_uid="uid-in-prod",
        state="foreign",
        message="it was moved",
    )
    await store.orders.create(order, NO_LIMITS)
    await store.clusters.create(a_cluster("shop"))
    return order


@pytest.fixture
def there(moved: Order, management_cluster: RealCluster) -> Iterator[str]:
    """The uid of the Cluster in the management cluster ``mgmt``, paused."""
    manifest = manifest_of(replace(moved, engine_uid=None), NAMESPACE)
    management_cluster.apply([paused(manifest)])
    found = management_cluster.cluster("shop")
    assert found is not None
    yield found["metadata"]["uid"]
    management_cluster.delete_all()


async def test_order_follows_its_cluster_into_another_management_cluster(
    api: Api, store: Store, management: ManagementCluster, moved: Order, there: str
) -> None:
    dry = await api("admin", "PATCH", f"{PATH}?dry_run=true", MOVE)
    assert (dry.status, dry.body["provision"]["management"]) == (200, management.cluster_id)
    assert await store.orders.get(moved.id) == moved
    done = await api("admin", "PATCH", PATH, MOVE)
    assert done.status == 202, done.body
    assert done.body["provision"]["state"] == "accepted"
    attached = await store.orders.get(moved.id)
    assert attached is not None
    assert (attached.management_id, attached.engine_uid) == (management.cluster_id, there)
    assert attached.wanted == moved.wanted
    assert await store.clusters.get("shop") == a_cluster("shop")
    again = await api("admin", "PATCH", PATH, MOVE)
    assert again.status == 202
    assert await store.orders.get(moved.id) == attached


async def test_attaching_needs_what_adopting_needs_and_the_permission_in_the_cluster(
    api: Api, store: Store, management: ManagementCluster, moved: Order, there: str
) -> None:
    await store.bindings.create(a_binding("u-plain", "cluster-owner", management.cluster_id))
    assert (await api("plain", "PATCH", PATH, MOVE)).status == 404  # not in its cluster
    await store.bindings.create(a_binding("u-c-owner", "cluster-owner", moved.id))
    unseen = await api("c-owner", "PATCH", PATH, MOVE)
    assert (unseen.status, "no management cluster" in str(unseen.body)) == (422, True)
    await store.bindings.create(a_binding("u-c-owner", "cluster-member", management.cluster_id))
    lacking = await api("c-owner", "PATCH", PATH, MOVE)
    assert (lacking.status, "all that an owner of" in lacking.body["detail"]) == (403, True)
    assert await store.orders.get(moved.id) == moved
    await store.bindings.create(a_binding("u-c-owner", "cluster-owner", management.cluster_id))
    assert (await api("c-owner", "PATCH", PATH, MOVE)).status == 202


async def test_order_is_attached_to_no_cluster_but_its_own(
    api: Api,
    store: Store,
    management: ManagementCluster,
    moved: Order,
    management_cluster: RealCluster,
) -> None:
    missing = await api("admin", "PATCH", PATH, MOVE)
    assert (missing.status, 'no Cluster "shop"' in missing.body["detail"]) == (422, True)
    other = manifest_of(replace(moved, id="c-other", engine_uid=None), NAMESPACE)
    management_cluster.apply([paused(other)])
    try:
        refused = await api("admin", "PATCH", PATH, MOVE)
        assert refused.status == 409
        assert "lacks the label sekisho.io/cluster=c-shop" in refused.body["detail"]
    finally:
        management_cluster.delete_all()
    assert await store.orders.get(moved.id) == moved


async def test_order_that_has_its_cluster_is_not_attached_to_another_one(
    api: Api, store: Store, management: ManagementCluster, moved: Order, there: str
) -> None:
    await store.orders.observe(moved.id, state="ready")
    refused = await api("admin", "PATCH", PATH, MOVE)
    assert (refused.status, "clusterctl move" in refused.body["detail"]) == (409, True)
    for body in ({"management": "mgmt", "workers": 1}, {"management": None}, {"management": 3}):
        wrong = await api("admin", "PATCH", PATH, {"provision": body})
        assert wrong.status == 422, wrong.body
    await store.orders.observe(moved.id, state="foreign")
    stale = await api("admin", "PATCH", PATH, MOVE, If_Match='"77"')
    assert stale.status == 412
    await store.orders.delete_requested(moved.id, "keep")
    removed = await api("admin", "PATCH", PATH, MOVE)
    assert removed.status == 409
