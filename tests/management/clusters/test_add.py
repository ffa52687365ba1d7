"""Clusters added by hand, and imported from inside."""

from dataclasses import replace
from pathlib import Path

import pytest

from management.clusters.kubeconfig_import import from_service_account
from management.clusters.service import ClusterService
from management.errors import AlreadyExists, ClusterOperationFailed
from management.kubernetes import manifests
from store.interfaces import Store
from store.records import Cluster, CredentialSource
from tests.management.clusters.unreachable import UNREACHABLE
from tests.management.conftest import OwnCluster
from tests.support.addresses import LOOPBACK_ALLOWED

ADMIN_BINDING = f"{manifests.collection_path('ClusterRoleBinding')}/{manifests.ADMINISTRATORS}"


@pytest.fixture
async def accounts(clean: OwnCluster, store: Store) -> Cluster:
    """A cluster with Sekisho's service accounts that is not stored."""
    service = ClusterService(store)
    made = await service.import_cluster("made", clean.endpoint, clean.administrator)
    await service.remove("made", keep_cluster_objects=True)
    assert made.cluster is not None
    clean.ask("DELETE", ADMIN_BINDING)
    return made.cluster


async def test_cluster_is_added_with_two_tokens(
    kubernetes: OwnCluster, store: Store, accounts: Cluster
) -> None:
    added = await ClusterService(store).add(
        "prod",
        kubernetes.endpoint,
        accounts.impersonator_token,
        controller_token=accounts.controller_token,
        username_mapping="username",
    )
    assert (added.version, added.warnings) == (kubernetes.version, ())
    assert await store.clusters.get("prod") == added.cluster
    assert added.cluster.credential_source is CredentialSource.STATIC
    assert added.cluster.username_mapping == "username"
    assert kubernetes.can_i("u-root", "delete", "nodes", "--as-group=sekisho:administrators")


async def test_add_without_a_controller_token_changes_nothing_in_the_cluster(
    kubernetes: OwnCluster, store: Store, accounts: Cluster
) -> None:
    before = kubernetes.managed_objects()
    added = await ClusterService(store).add(
        "prod", kubernetes.endpoint, accounts.impersonator_token
    )
    assert "by hand" in " ".join(added.warnings)
    assert kubernetes.managed_objects() == before


async def test_token_that_may_not_impersonate_is_rejected(
    kubernetes: OwnCluster, store: Store, accounts: Cluster
) -> None:
    assert accounts.controller_token is not None
    with pytest.raises(ClusterOperationFailed, match="may not impersonate"):
        await ClusterService(store).add("prod", kubernetes.endpoint, accounts.controller_token)
    assert await store.clusters.list_all() == []


async def test_controller_token_that_may_not_bind_is_rejected(
    kubernetes: OwnCluster, store: Store, accounts: Cluster
) -> None:
    token = accounts.impersonator_token
    with pytest.raises(ClusterOperationFailed, match="403"):
        await ClusterService(store).add("prod", kubernetes.endpoint, token, controller_token=token)
    assert await store.clusters.list_all() == []


async def test_add_verifies_every_api_server(
    kubernetes: OwnCluster, store: Store, accounts: Cluster
) -> None:
    endpoint = replace(kubernetes.endpoint, servers=(*kubernetes.servers, UNREACHABLE))
    with pytest.raises(ClusterOperationFailed, match=UNREACHABLE):
        await ClusterService(store).add("prod", endpoint, accounts.impersonator_token)
    assert await store.clusters.list_all() == []


async def test_cluster_is_not_added_twice(
    kubernetes: OwnCluster, store: Store, accounts: Cluster
) -> None:
    service = ClusterService(store)
    await service.add("prod", kubernetes.endpoint, accounts.impersonator_token)
    with pytest.raises(AlreadyExists):
        await service.add("prod", kubernetes.endpoint, accounts.impersonator_token)


async def test_token_with_all_rights_causes_a_warning(clean: OwnCluster, store: Store) -> None:
    added = await ClusterService(store).add("prod", clean.endpoint, powerful_token(clean))
    assert "may do anything" in added.warnings[0]


async def test_pod_imports_its_own_cluster(clean: OwnCluster, store: Store, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(powerful_token(clean))
    (tmp_path / "ca.crt").write_bytes(clean.ca_pem)
    host, _, port = clean.servers[0].removeprefix("https://").partition(":")
    access = from_service_account(
        tmp_path, {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    )
    endpoint = replace(access.endpoint, addresses=LOOPBACK_ALLOWED)
    result = await ClusterService(store).import_cluster("local", endpoint, access.credential)
    assert result.cluster is not None
    assert result.cluster.servers == (clean.servers[0],)


def powerful_token(cluster: OwnCluster) -> str:
    """Return a token of a service account that is an administrator."""
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "powerful", "labels": manifests.LABELS},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "cluster-admin",
        },
        "subjects": [{"kind": "ServiceAccount", "namespace": "default", "name": "default"}],
    }
    cluster.ask("POST", manifests.collection_path("ClusterRoleBinding"), binding)
    token: str = cluster.ask("POST", f"{account}/token", {"spec": {}})["status"]["token"]
    return token
