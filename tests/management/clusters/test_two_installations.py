"""Two Sekishos in one real cluster: each removes what is its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from management.clusters.members import MemberService
from management.clusters.service import ClusterService
from management.clusters.verification import verify_impersonator
from management.kubernetes.manifests import NAMESPACE, PROJECT_LABEL
from store.encryption import Keyring, generate_key
from store.interfaces import Store
from store.records import Cluster
from tests.management.conftest import OwnCluster, user
from tests.support.addresses import LOOPBACK_ALLOWED
from tests.support.stores import open_new_store


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[Store]:
    """The store of another Sekisho, with a user of its own."""
    opened = await open_new_store(
        f"sqlite:///{tmp_path}/other.db",
        Keyring.parse(generate_key()),
        addresses=LOOPBACK_ALLOWED,
    )
    await opened.users.create(user("dora"))
    yield opened
    await opened.close()


async def imported(store: Store, cluster: OwnCluster, owner: str) -> Cluster:
    """Import the cluster into a store, with an owner."""
    made = await ClusterService(store).import_cluster(
        "prod", cluster.endpoint, cluster.administrator
    )
    assert made.cluster is not None
    await MemberService(store).grant("prod", owner, "owner")
    return made.cluster


async def test_removal_leaves_another_sekisho_its_access(
    clean: OwnCluster, store: Store, other: Store
) -> None:
    first = await imported(store, clean, "alice")
    second = await imported(other, clean, "dora")
    label = {"metadata": {"name": "shop", "labels": {PROJECT_LABEL: "p-of-the-first"}}}
    clean.ask("POST", "/api/v1/namespaces", label)
    removed = await ClusterService(other).remove("prod")
    assert removed.objects.others == (first.id,)
    [sentence] = removed.objects.left
    assert f"Another Sekisho has objects in the cluster (sekisho.io/cluster={first.id})" in sentence
    assert removed.deleted
    assert all(second.id in title for title in removed.deleted)
    assert not [one for one in clean.managed_objects() if second.id in one]
    await verify_impersonator(clean.endpoint, first.impersonator_token or "")
    assert clean.can_i(user("alice").id, "delete", "nodes")
    assert not clean.can_i(user("dora").id, "delete", "nodes")
    labels = clean.ask("GET", "/api/v1/namespaces/shop")["metadata"]["labels"]
    assert labels[PROJECT_LABEL] == "p-of-the-first"
    last = await ClusterService(store).remove("prod")
    assert (last.objects.others, last.objects.left) == ((), ())
    assert f"Namespace {NAMESPACE}" in last.deleted
    assert PROJECT_LABEL not in clean.ask("GET", "/api/v1/namespaces/shop")["metadata"]["labels"]
