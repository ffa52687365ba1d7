"""Tokens of Sekisho's account in a management cluster that cannot be used are renewed."""

import asyncio
from pathlib import Path

import pytest

from management.kubernetes.client import ClusterClient
from management.kubernetes.cluster_client import endpoint_of
from management.kubernetes.endpoint import ClusterCredential
from management.kubernetes.errors import ApiForbidden
from management.kubernetes.manifests import PROVISIONER
from store.interfaces import Store
from store.records import Cluster
from tests.management.provisioning.running import Running, enabled, replica
from tests.store.direct_access import execute
from tests.support.capi.management_cluster import CREATION_SECONDS, ManagementCluster
from tests.support.capi.standin_kinds import NAMESPACE
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(600)


def follows(one: Running) -> bool:
    """Return whether the only provisioner sees the engine's objects."""
    found = one.provisioners.running if one.provisioners is not None else []
    return len(found) == 1 and found[0].follows


async def token(store: Store, cluster: Cluster) -> str:
    found = await store.management_clusters.get(cluster.id)
    assert found is not None
    return found.token


async def is_rejected(cluster: Cluster, token: str) -> bool:
    """Return whether the API server, which caches its decisions, no longer knows a token."""
    async with ClusterClient(endpoint_of(cluster), ClusterCredential(token=token)) as client:
        try:
            await client.get(f"/apis/cluster.x-k8s.io/v1beta2/namespaces/{NAMESPACE}/clusters")
        except ApiForbidden as exc:
            return exc.status == 401
    return False


async def make_account_again(management_cluster: ManagementCluster) -> None:
    """Delete Sekisho's account and make it again, as a tool does that restores the namespace."""
    account = ("serviceaccount", PROVISIONER, "--namespace=sekisho-system")
    label = "app.kubernetes.io/managed-by=sekisho"
    for words in (("delete", *account), ("create", *account), ("label", *account, label)):
        await asyncio.to_thread(management_cluster.kubectl, *words)


async def test_rejected_token_is_renewed_while_watches_are_open(
    store: Store, management_cluster: ManagementCluster
) -> None:
    """An API server ends a watch after half an hour at the earliest."""
    cluster = await enabled(store, management_cluster)
    async with replica(store, management_cluster, cluster) as one:
        await eventually(lambda: follows(one), CREATION_SECONDS)
        before = await token(store, cluster)
        await make_account_again(management_cluster)
        await eventually(lambda: is_renewed(store, cluster, before), CREATION_SECONDS)
        await eventually(lambda: follows(one), CREATION_SECONDS)


async def is_renewed(store: Store, cluster: Cluster, before: str) -> bool:
    return await token(store, cluster) != before


async def test_rejected_token_is_renewed(
    store: Store, management_cluster: ManagementCluster
) -> None:
    cluster = await enabled(store, management_cluster)
    await make_account_again(management_cluster)
    rejected = await token(store, cluster)
    await eventually(lambda: is_rejected(cluster, rejected), CREATION_SECONDS)
    async with replica(store, management_cluster, cluster) as one:
        await eventually(lambda: follows(one), CREATION_SECONDS)
    assert await token(store, cluster) != rejected


async def test_token_that_cannot_be_decrypted_is_renewed(
    store: Store, management_cluster: ManagementCluster, tmp_path: Path
) -> None:
    cluster = await enabled(store, management_cluster)
    other = "(SELECT controller_token FROM clusters)"
    await execute(f"sqlite:///{tmp_path}/store.db", f"UPDATE management_clusters SET token={other}")
    found = await store.management_clusters.get(cluster.id)
    assert found is not None
    assert found.unreadable
    async with replica(store, management_cluster, cluster) as one:
        await eventually(lambda: follows(one), CREATION_SECONDS)
    assert await token(store, cluster)
