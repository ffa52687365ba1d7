"""Requests about a management cluster that a killed process left half-done, on a real one."""

from dataclasses import replace

import pytest

from management.kubernetes.cluster_client import controller_client
from management.kubernetes.manifests import PROVISIONER
from management.provisioning.order_rights import grant_kubeconfig
from management.provisioning.setup import set_up
from tests.management.api.v1 import test_management_clusters as management_clusters
from tests.management.api.v1.test_management_clusters import WANTED, World
from tests.support.capi.standin_kinds import NAMESPACE
from tests.support.management_app import URL

pytestmark = pytest.mark.timeout(600)

store, world = management_clusters.store, management_clusters.world


def namespaces(world: World) -> list[str]:
    """Return the namespaces in which Sekisho's account has rights."""
    where = f'jsonpath={{.items[?(@.metadata.name=="{PROVISIONER}")].metadata.namespace}}'
    return world.real.kubectl("get", "rolebindings", "--all-namespaces", "-o", where).split()


async def test_deletion_that_ended_half_way_is_finished_by_the_next_one(world: World) -> None:
    assert (await world.ask("root", "PUT", body=WANTED))[0] == 201
    async with controller_client(world.cluster) as controller:
        await grant_kubeconfig(controller, "c-abcdefghij", "three", NAMESPACE)
    # As after the end of a process between the record and the account.
    await world.store.management_clusters.delete(world.cluster.id)
    assert PROVISIONER in world.accounts()
    assert (await world.ask("root", "DELETE", If_Match='"1"'))[0] == 412
    assert (await world.ask("alice", "DELETE"))[0] == 403
    kept = "mgmt/provisioning?keep_cluster_objects=true"
    assert (await world.ask("root", "DELETE", kept))[0] == 404
    assert PROVISIONER in world.accounts()
    assert (await world.ask("root", "DELETE"))[0] == 204
    assert PROVISIONER not in world.accounts()
    assert "sekisho-order" not in world.accounts()
    assert (await world.ask("root", "DELETE"))[0] == 404


@pytest.mark.parametrize("stored", [False, True])
async def test_change_of_namespace_that_ended_half_way_is_finished_by_the_next_one(
    world: World, *, stored: bool
) -> None:
    assert (await world.ask("root", "PUT", body=WANTED))[0] == 201
    world.real.kubectl("create", "namespace", "elsewhere")
    try:
        await set_up(world.cluster, "elsewhere", [], url=URL, before=NAMESPACE)
        used = NAMESPACE
        if stored:
            known = await world.store.management_clusters.get(world.cluster.id)
            assert known is not None
            used = "elsewhere"
            await world.store.management_clusters.put(replace(known, namespace=used))
        assert (await world.ask("root", "PUT", body={"namespace": used}))[0] == 200
        assert namespaces(world) == [used]
    finally:
        world.real.kubectl("delete", "namespace", "elsewhere")
