"""An order is attached to its Cluster after a backup of the management cluster was restored."""

import asyncio

import pytest

from management.kubernetes.manifests import CLUSTER_LABEL
from management.provisioning.attaching import attach
from store.interfaces import Store
from tests.management.provisioning.running import running
from tests.management.provisioning.test_provisioner import await_nothing_left
from tests.management.provisioning.test_unusual_orders import QUOTA, request, with_message
from tests.support.capi.management_cluster import ManagementCluster
from tests.support.capi.standin_kinds import NAMESPACE

pytestmark = pytest.mark.timeout(600)


async def test_restored_cluster_is_followed_and_deleted_after_its_order_is_attached(
    store: Store, management_cluster: ManagementCluster
) -> None:
    async with running(store, management_cluster) as one:
        order = await one.order("restored", workers=None, variables={"fail": QUOTA})
        await with_message(one, order, QUOTA)
        before = await request(one, "GET", "restored")
        await request(one, "PATCH", "restored", {"spec": {"paused": True}})
        await one.await_state(order.id, "paused")
        arguments = ("cluster", "restored", "--cascade=foreground", "--wait=false")
        await asyncio.to_thread(management_cluster.kubectl, "delete", *arguments)
        await request(one, "PATCH", "restored", {"metadata": {"finalizers": None}})
        await one.await_state(order.id, "foreign", seconds=60)

        kept = ("labels", "annotations")
        metadata = {key: before["metadata"][key] for key in kept}
        assert metadata["labels"][CLUSTER_LABEL] == order.id
        restored = {
            "apiVersion": before["apiVersion"],
            "kind": "Cluster",
            "metadata": metadata | {"name": "restored", "namespace": NAMESPACE},
            "spec": {"topology": before["spec"]["topology"]},
        }
        await asyncio.to_thread(management_cluster.apply, [restored])
        management = await store.management_clusters.get(one.cluster.id)
        assert management is not None
        foreign = await one.read(order.id)
        assert foreign.state == "foreign"
        attached = await attach(store, foreign, management)
        assert attached.engine_uid not in {None, foreign.engine_uid}
        followed = await one.await_state(order.id, "provisioning", seconds=60)
        assert followed.revision == order.revision

        await one.change(order.id, variables={"fail": "another quota"})
        await with_message(one, order, "another quota", 60)
        await store.orders.delete_requested(order.id, "delete")
        await one.await_gone(order.id)
        await await_nothing_left(one, order.id)
