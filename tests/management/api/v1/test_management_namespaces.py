"""The guard of a management cluster's namespace while another one is requested, on a real one."""

from collections.abc import Iterator

import pytest

from management.kubernetes.manifests import PROVISIONER
from store.order_records import OrderLimits
from tests.management.api.v1 import test_management_clusters as management_clusters
from tests.management.api.v1.test_management_clusters import WANTED, World
from tests.management.provisioning.things import an_order
from tests.support.capi.management_cluster import ManagementCluster
from tests.support.capi.standin_kinds import NAMESPACE
from tests.support.kubernetes import kubectl
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(600)

store, world = management_clusters.store, management_clusters.world

ELSEWHERE = {"namespace": "elsewhere"}


@pytest.fixture(autouse=True)
def elsewhere(management_cluster: ManagementCluster) -> Iterator[None]:
    """Create another namespace for the time of a test."""
    management_cluster.kubectl("create", "namespace", "elsewhere")
    yield
    management_cluster.kubectl("delete", "namespace", "elsewhere")


def guarded(world: World) -> set[str]:
    """Return which of two namespaces the cluster keeps out of projects."""
    refused = set()
    for one in (NAMESPACE, "elsewhere"):
        label = kubectl(world.real.kubeconfig, "label", "namespace", one, "sekisho.io/project=p")
        if label.returncode:
            refused.add(one)
        else:
            world.real.kubectl("label", "namespace", one, "sekisho.io/project-")
    return refused


async def test_namespace_of_orders_stays_guarded_while_another_one_is_refused(
    world: World,
) -> None:
    assert (await world.ask("root", "PUT", body=WANTED))[0] == 201
    await world.store.orders.create(an_order(management_id=world.cluster.id), OrderLimits())
    assert (await world.ask("root", "PUT", body=ELSEWHERE))[0] == 409
    await eventually(lambda: guarded(world) == {NAMESPACE})
    bindings = ("get", "rolebindings", "--namespace=elsewhere", "-o", "name")
    assert PROVISIONER not in world.real.kubectl(*bindings)
    await world.store.orders.delete(an_order().id)


async def test_namespace_stays_guarded_until_another_one_is_used(world: World) -> None:
    assert (await world.ask("root", "PUT", body=WANTED))[0] == 201
    missing = ELSEWHERE | {"classes": [{"name": "nope"}]}
    assert (await world.ask("root", "PUT", body=missing))[0] == 422
    assert NAMESPACE in guarded(world)
    assert (await world.ask("root", "PUT", body=WANTED))[0] == 200
    await eventually(lambda: guarded(world) == {NAMESPACE})  # The API server applies it later.
    assert (await world.ask("root", "PUT", body=ELSEWHERE))[0] == 200
    await eventually(lambda: guarded(world) == {"elsewhere"})
    assert (await world.ask("root", "DELETE"))[0] == 204
