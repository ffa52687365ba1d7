"""Clusters that are added by hand, and from the inside of a cluster."""

from dataclasses import replace
from pathlib import Path

import pytest

from management.cluster_errors import AlreadyThere, DownstreamFailed
from management.clusters import ClusterService
from management.downstream import objects
from management.import_kubeconfig import from_inside
from store.interfaces import Cluster, CredentialSource, Store
from tests.management.clusters.conftest import OwnCluster
from tests.management.clusters.test_import import NOBODY

ADMIN_BINDING = f"{objects.collection_path('ClusterRoleBinding')}/{objects.ADMINISTRATORS}"


@pytest.fixture
async def accounts(clean: OwnCluster, store: Store) -> Cluster:
    """A cluster whose accounts were made by somebody, and which Sekisho doesn't know."""
    service = ClusterService(store)
    made = await service.import_cluster("made", clean.endpoint, clean.administrator)
    await service.remove("made", keep_downstream=True)
    assert made.cluster is not None
    clean.ask("DELETE", ADMIN_BINDING)
    return made.cluster


async def test_a_cluster_is_added_with_two_tokens(
    kubernetes: OwnCluster, store: Store, accounts: Cluster
) -> None:
    added = await ClusterService(store).add(
        "prod",
        kubernetes.endpoint,
        accounts.impersonator_token,
        controller_token=accounts.controller_token,
        user_name="username",
    )
    assert (added.version, added.warnings) == (kubernetes.version, ())
    assert await store.clusters.get("prod") == added.cluster
    assert added.cluster.credential_source is CredentialSource.STATIC
    assert added.cluster.user_name == "username"
    assert kubernetes.can_i("u-root", "delete", "nodes", "--as-group=sekisho:administrators")


async def test_without_a_controller_token_nothing_is_changed_downstream(
    kubernetes: OwnCluster, store: Store, accounts: Cluster
) -> None:
    before = kubernetes.ours()
    added = await ClusterService(store).add(
        "prod", kubernetes.endpoint, accounts.impersonator_token
    )
    assert "by hand" in " ".join(added.warnings)
    assert kubernetes.ours() == before


async def test_a_token_that_may_not_impersonate_is_refused(
    kubernetes: OwnCluster, store: Store, accounts: Cluster
) -> None:
    assert accounts.controller_token is not None
    with pytest.raises(DownstreamFailed, match="may not impersonate"):
        await ClusterService(store).add("prod", kubernetes.endpoint, accounts.controller_token)
    assert await store.clusters.list_all() == []


async def test_a_controller_token_that_may_not_bind_is_refused(
    kubernetes: OwnCluster, store: Store, accounts: Cluster
) -> None:
    token = accounts.impersonator_token
    with pytest.raises(DownstreamFailed, match="403"):
        await ClusterService(store).add("prod", kubernetes.endpoint, token, controller_token=token)
    assert await store.clusters.list_all() == []


async def test_every_master_is_tried(
    kubernetes: OwnCluster, store: Store, accounts: Cluster
) -> None:
    endpoint = replace(kubernetes.endpoint, servers=(*kubernetes.servers, NOBODY))
    with pytest.raises(DownstreamFailed, match=NOBODY):
        await ClusterService(store).add("prod", endpoint, accounts.impersonator_token)
    assert await store.clusters.list_all() == []


async def test_a_cluster_is_not_added_twice(
    kubernetes: OwnCluster, store: Store, accounts: Cluster
) -> None:
    service = ClusterService(store)
    await service.add("prod", kubernetes.endpoint, accounts.impersonator_token)
    with pytest.raises(AlreadyThere):
        await service.add("prod", kubernetes.endpoint, accounts.impersonator_token)


async def test_a_token_that_may_do_anything_is_warned_of(clean: OwnCluster, store: Store) -> None:
    added = await ClusterService(store).add("prod", clean.endpoint, powerful_token(clean))
    assert "may do anything" in added.warnings[0]


async def test_a_pod_imports_the_cluster_it_runs_in(
    clean: OwnCluster, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(powerful_token(clean))
    (tmp_path / "ca.crt").write_bytes(clean.ca_pem)
    host, _, port = clean.servers[0].removeprefix("https://").partition(":")
    access = from_inside(
        tmp_path, {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    )
    result = await ClusterService(store).import_cluster("local", access.endpoint, access.credential)
    assert result.cluster is not None
    assert result.cluster.servers == (clean.servers[0],)


def powerful_token(cluster: OwnCluster) -> str:
    """The token of an account that is an administrator."""
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "powerful", "labels": objects.LABELS},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "cluster-admin",
        },
        "subjects": [{"kind": "ServiceAccount", "namespace": "default", "name": "default"}],
    }
    cluster.ask("POST", objects.collection_path("ClusterRoleBinding"), binding)
    token: str = cluster.ask("POST", f"{account}/token", {"spec": {}})["status"]["token"]
    return token
