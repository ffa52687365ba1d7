"""The real Cluster API behind the management application, and orders in it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from config.address_policy import DEFAULT_POLICY
from management.clusters.kubeconfig_import import from_kubeconfig
from management.clusters.service import ClusterService
from management.kubernetes.manifests import Manifest
from management.provisioning.class_catalog import engine_client
from management.provisioning.engine import CLUSTERS, engine_path, manifest_of
from management.provisioning.setup import set_up, tear_down
from store.interfaces import Store
from store.order_records import ManagementCluster
from tests.management.api.conftest import Answer, Api
from tests.store.order_records import a_management
from tests.store.records import a_binding
from tests.support.capi.management_cluster import ManagementCluster as RealCluster
from tests.support.capi.standin_kinds import CLASS, NAMESPACE
from tests.support.management_app import URL

ORDER = {"class": CLASS, "version": "v1.36.3", "workers": 2}
Place = Callable[..., Awaitable[Answer]]


@pytest.fixture
async def management(
    store: Store, management_cluster: RealCluster
) -> AsyncIterator[ManagementCluster]:
    """The management cluster, imported and set up; the user ``plain`` may order in it."""
    access = from_kubeconfig(management_cluster.kubeconfig)
    endpoint = replace(access.endpoint, addresses=DEFAULT_POLICY.trusting(["127.0.0.1"]))
    imported = await ClusterService(store).import_cluster("mgmt", endpoint, access.credential)
    assert imported.cluster is not None
    management_cluster.forget_sekisho()
    issued = await set_up(imported.cluster, NAMESPACE, [CLASS], url=URL)
    record = a_management(
        cluster_id=imported.cluster.id,
        namespace=NAMESPACE,
        token=issued.token,
        token_expires_at=issued.expires_at,
    )
    await store.bindings.create(a_binding("u-plain", "provisioner", None))
    yield await store.management_clusters.put(record)
    await tear_down(imported.cluster)


@pytest.fixture
def place(api: Api, management: ManagementCluster) -> Place:
    """Send an order: ``await place("new", workers=3)``."""

    async def place(
        name: str = "shop", who: str = "plain", query: str = "", **changes: Any
    ) -> Answer:
        body = {"name": name, "provision": ORDER | changes}
        return await api(who, "POST", f"/v1/clusters{query}", body)

    return place


def paused(manifest: Manifest) -> Manifest:
    """Return a Cluster of which nothing is made."""
    return manifest | {"spec": manifest["spec"] | {"paused": True}}


async def made(store: Store, management: ManagementCluster, order_id: str) -> None:
    """Write an order's Cluster, as its provisioner does, paused so that nothing is made of it."""
    order = await store.orders.get(order_id)
    assert order is not None
    path = engine_path(CLUSTERS, NAMESPACE, order.engine_name)
    async with await engine_client(store, management) as client:
        written = await client.apply(path, paused(manifest_of(order, NAMESPACE)))
    await store.orders.observe(order_id, state="accepted", engine_uid=written["metadata"]["uid"])
