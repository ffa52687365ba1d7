"""Orders on the real Cluster API: made, imported, changed, and deleted."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from management.kubernetes.manifests import NAMESPACE
from management.provisioning.rights import order_name
from store.interfaces import Store
from store.order_records import Pool
from store.records import ClusterStatus
from tests.management.provisioning.one_provisioner import followed
from tests.management.provisioning.running import Running, enabled, replica, running
from tests.support.capi.management_cluster import (
    CREATION_SECONDS,
    DELETION_SECONDS,
    ManagementCluster,
)
from tests.support.kubernetes import kubectl
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(600)


async def test_order_becomes_a_cluster_that_is_scaled_upgraded_and_deleted(
    store: Store, management_cluster: ManagementCluster
) -> None:
    async with running(store, management_cluster) as one:
        order = await one.order("first", workers=1)
        await one.await_state(order.id, "ready")
        cluster = await store.clusters.get(order.id)
        assert cluster is not None
        assert cluster.name == "first"
        held = await store.bindings.in_cluster(order.id)
        assert [(one.name, one.role_id) for one in held] == [("alice", "cluster-owner")]
        await one.change(order.id, pools=(Pool("workers", "default", 3),))
        await one.await_state(order.id, "updating")
        made = await one.await_state(order.id, "ready")
        assert (made.ready_machines, made.machines) == (3, 3)
        await one.change(order.id, version="v1.37.0")
        await one.await_state(order.id, "updating")
        await one.await_state(order.id, "ready")
        assert [step for _, step, _ in one.steps] == ["accepted", "initialized", "ready"]
        processes = management_cluster.created_processes().values()
        assert {"etcd", "kube-apiserver", "kube-controller-manager"} <= set(processes)
        await store.orders.delete_requested(order.id, "delete")
        await one.await_gone(order.id)
        await await_nothing_left(one, order.id)
        await one.await_acts("cluster.gone")


async def test_cluster_with_ended_tokens_and_a_new_kubeconfig_is_entered_again(
    store: Store, management_cluster: ManagementCluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("created")
    async with running(store, management_cluster) as one:
        order = await one.order("again", workers=0, variables={"kubeletSuffix": "-eks-1"})
        await one.await_state(order.id, "ready")
        before = await store.clusters.get(order.id)
        assert before is not None
        kubeconfig = await asyncio.to_thread(management_cluster.created_kubeconfig, "again", folder)
        await asyncio.to_thread(
            kubectl, kubeconfig, "delete", "serviceaccount", "--all", "-n", NAMESPACE
        )
        await asyncio.to_thread(management_cluster.kubectl, "delete", "secret", "again-kubeconfig")

        async def renewed() -> bool:
            found = await store.clusters.get(order.id)
            return found is not None and found.controller_token != before.controller_token

        await eventually(renewed, CREATION_SECONDS, "new tokens")
        await one.await_state(order.id, "ready")
        await asyncio.to_thread(management_cluster.keep_down, "again", True)
        await store.orders.delete_requested(order.id, "delete")
        await one.await_gone(order.id)
        await await_nothing_left(one, order.id)


async def test_cluster_that_rejected_sekisho_before_a_replica_led_is_imported_again(
    store: Store, management_cluster: ManagementCluster
) -> None:
    """Its status is announced once: the observer does not repeat what does not change."""
    cluster = await enabled(store, management_cluster)
    async with replica(store, management_cluster, cluster) as one:
        order = await one.order("before", workers=0)
        await one.await_state(order.id, "ready")
    before = await store.clusters.get(order.id)
    assert before is not None
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    rejected = {"type": "Authenticated", "status": "False", "reason": "x", "since": since}
    status = ClusterStatus(order.id, {"conditions": [rejected]}, datetime.now(UTC))
    await store.fleet.put_status(status)
    async with followed(store, management_cluster, cluster):

        async def renewed() -> bool:
            found = await store.clusters.get(order.id)
            return found is not None and found.controller_token != before.controller_token

        await eventually(renewed, 60, "new tokens")


async def await_nothing_left(one: Running, order_id: str) -> None:
    """Wait until nothing is left of an order but events: no object, right, or process.

    Secrets of the engine's own (``<name>-shim``) are left to the garbage collector.
    """

    def left() -> list[str]:
        roles = one.engine.kubectl("get", "clusterroles,rolebindings", "-o", "json")
        names = [item["metadata"]["name"] for item in json.loads(roles)["items"]]
        rights = [name for name in names if name == order_name(order_id)]
        return rights + one.engine.leftovers() + list(one.engine.created_processes().values())

    found: list[str] = []

    async def nothing() -> bool:
        nonlocal found
        found = await asyncio.to_thread(left)
        return not found

    await eventually(nothing, DELETION_SECONDS, lambda: f"the end of {found}")
