"""Clusters of orders that others change, move, or restore, on the real Cluster API.

The variable ``fail`` keeps the stand-in provider from starting a cluster, which takes seconds.
"""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from management.provisioning.engine import REVISION
from management.provisioning.rights import order_name
from store.errors import Conflict
from store.interfaces import Store
from store.order_records import Pool
from tests.management.provisioning.one_provisioner import followed
from tests.management.provisioning.running import Running, enabled, replica, running
from tests.management.provisioning.test_provisioner import await_nothing_left
from tests.management.provisioning.test_unusual_orders import QUOTA, request, with_message
from tests.store.direct_access import execute
from tests.support.capi.management_cluster import ManagementCluster
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(600)


async def written(one: Running, name: str) -> tuple[str, int]:
    """Return the order's revision that a Cluster has, and the size of its pool."""
    found = await request(one, "GET", name)
    (pool,) = found["spec"]["topology"]["workers"]["machineDeployments"]
    return found["metadata"]["annotations"][REVISION], pool["replicas"]


async def await_written(one: Running, name: str, revision: str, size: int) -> None:
    """Wait until a Cluster has this revision of its order, and this size of its pool."""

    async def has() -> bool:
        return await written(one, name) == (revision, size)

    await eventually(has, 30, f"revision {revision} in the Cluster {name}")


async def test_restored_database_does_not_write_an_older_order_over_a_newer_one(
    store: Store, management_cluster: ManagementCluster, tmp_path: Path
) -> None:
    cluster = await enabled(store, management_cluster)
    async with replica(store, management_cluster, cluster) as one:
        order = await one.order("restored", variables={"fail": QUOTA})
        await one.await_state(order.id, "provisioning")
        await one.change(order.id, pools=(Pool("workers", "default", 3),))
        await await_written(one, "restored", "2", 3)
    before = "wanted = json_set(wanted, '$.pools[0].replicas', 1)"
    await execute(f"sqlite:///{tmp_path}/store.db", f"UPDATE orders SET revision = 1, {before}")
    async with followed(store, management_cluster, cluster) as here:
        await eventually(lambda: here.provisioner.follows and here.provisioner.orders, 30)
        await eventually(here.is_quiet, 30)
        assert await written(here.one, "restored") == ("2", 3)
        known = await here.one.read(order.id)
        assert (known.revision, known.wanted.workers) == (1, 1)
        wanted = replace(known.wanted, pools=(Pool("workers", "default", 2),))
        await store.orders.replace(replace(known, wanted=wanted), revision=1, after=2)
        await await_written(here.one, "restored", "3", 2)


async def test_change_that_was_stored_while_the_engine_was_away_is_refused_and_corrected(
    store: Store, management_cluster: ManagementCluster
) -> None:
    """The version cannot be decreased, and the size is not changed without it."""
    management = management_cluster
    async with running(store, management) as one:
        order = await one.order("corrected", variables={"fail": QUOTA})
        await one.await_state(order.id, "provisioning")
        pools = (Pool("workers", "default", 3),)
        await asyncio.to_thread(management.stop_core_manager)
        try:
            await one.change(order.id, version="v1.35.0", pools=pools)

            async def away() -> bool:
                return (await one.read(order.id)).engine_away_since is not None

            await eventually(away, 20, "the engine to be away")
        finally:
            await asyncio.to_thread(management.start_core_manager)
        refused = await one.await_state(order.id, "refused", seconds=60)
        assert "cannot be decreased" in refused.message
        assert refused.engine_away_since is None
        assert await written(one, "corrected") == ("1", 1)
        await one.change(order.id, version=management.version, pools=pools)
        await await_written(one, "corrected", "3", 3)
        await one.await_state(order.id, "provisioning")
        # While its deletion is requested, nothing is changed any longer.
        await store.orders.delete_requested(order.id, "delete")
        with pytest.raises(Conflict, match="is being removed"):
            await one.change(order.id, pools=())
        await one.await_gone(order.id)


async def test_upgrade_and_new_size_of_an_order_are_made_at_once(
    store: Store, management_cluster: ManagementCluster
) -> None:
    async with running(store, management_cluster) as one:
        order = await one.order("both", workers=1)
        await one.await_state(order.id, "ready")
        await one.change(order.id, version="v1.37.0", pools=(Pool("workers", "default", 2),))
        await one.await_state(order.id, "updating")
        made = await one.await_state(order.id, "ready")
        assert (made.ready_machines, made.machines) == (2, 2)
        found = await request(one, "GET", "both")
        assert found["spec"]["topology"]["version"] == "v1.37.0"
        versions = {each["version"] for each in found["status"]["controlPlane"]["versions"]}
        assert versions == {"v1.37.0"}


async def test_cluster_that_cannot_be_read_is_not_forgotten(
    store: Store, management_cluster: ManagementCluster
) -> None:
    """A replica that begins to lead lists the Clusters, and leaves out what it does not accept."""
    management = management_cluster
    cluster = await enabled(store, management)
    try:
        async with replica(store, management, cluster) as one:
            order = await one.order("unreadable", variables={"fail": QUOTA})
            await one.await_state(order.id, "provisioning")
        note = {"metadata": {"annotations": {"note": "a\0"}}}
        await request(one, "PATCH", "unreadable", note)
        async with replica(store, management, cluster) as other:
            foreign = await other.await_state(order.id, "foreign")
            assert "does not accept" in foreign.message
            await store.orders.delete_requested(order.id, "delete")
            await with_message(other, order, "does not accept")
            kept = await request(one, "GET", "unreadable")
            assert "deletionTimestamp" not in kept["metadata"]
            await request(one, "PATCH", "unreadable", {"metadata": {"annotations": {"note": None}}})
            await other.await_gone(order.id)
            await await_nothing_left(other, order.id)
    finally:
        await asyncio.to_thread(management.delete_all)


async def test_right_to_read_the_kubeconfig_that_was_deleted_is_given_again(
    store: Store, management_cluster: ManagementCluster
) -> None:
    async with running(store, management_cluster) as one:
        order = await one.order("righted", variables={"fail": QUOTA})
        await with_message(one, order, QUOTA)
        for kind in ("rolebinding", "clusterrole"):
            words = ("delete", kind, order_name(order.id))
            await asyncio.to_thread(management_cluster.kubectl, *words)
        await one.change(order.id, variables={})
        await one.await_state(order.id, "ready")


async def test_cluster_that_is_moved_away_keeps_its_order_in_sight(
    store: Store, management_cluster: ManagementCluster
) -> None:
    """As ``clusterctl move`` does: it pauses a Cluster, and deletes it without its machines."""
    management = management_cluster
    async with running(store, management) as one:
        order = await one.order("moved", workers=None, variables={"fail": QUOTA})
        await with_message(one, order, QUOTA)
        await request(one, "PATCH", "moved", {"spec": {"paused": True}})
        await one.await_state(order.id, "paused")
        try:
            arguments = ("cluster", "moved", "--cascade=orphan", "--wait=false")
            await asyncio.to_thread(management.kubectl, "delete", *arguments)
            await request(one, "PATCH", "moved", {"metadata": {"finalizers": None}})
            foreign = await one.await_state(order.id, "foreign", seconds=60)
            assert "it was moved" in foreign.message
            await store.orders.delete_requested(order.id, "keep")
            await one.await_gone(order.id)
            await one.await_acts("cluster.gone")
        finally:
            kinds = "processcontrolplanes,processclusters"
            await asyncio.to_thread(management.kubectl, "delete", kinds, "--all", "--wait=false")
