"""Imports that fail, against a real cluster: nothing is stored or left behind."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from management.clusters.service import ClusterService
from management.desired_state.installation import installation
from management.errors import InvalidRequest, ManagementError
from management.kubernetes import manifests
from management.kubernetes.endpoint import ClusterCredential, ClusterEndpoint
from proxy.transport.certificates import create_authority
from store.interfaces import Store
from tests.management.clusters.unreachable import (
    UNREACHABLE,
)
from tests.management.conftest import OwnCluster
from tests.support.other_connection import other_connection


async def refusal(
    store: Store, endpoint: ClusterEndpoint, credential: ClusterCredential, **options: Any
) -> str:
    """Return the one-line message of an import that fails and stores nothing."""
    with pytest.raises(ManagementError) as caught:
        await ClusterService(store).import_cluster("prod", endpoint, credential, **options)
    assert await store.clusters.list_all() == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("foreign", ["Namespace", "ClusterRole", "ClusterRoleBinding"])
async def test_import_leaves_an_unmanaged_object_alone(
    clean: OwnCluster, store: Store, foreign: str
) -> None:
    manifest = next(one for one in installation() if one["kind"] == foreign)
    path = manifests.path_of(manifest)
    clean.ask("POST", manifests.collection_path(foreign), manifest)
    clean.ask("PATCH", path, {"metadata": {"labels": {manifests.MANAGED_BY: "helm"}}})
    before = clean.ask("GET", path)
    message = await refusal(store, clean.endpoint, clean.administrator)
    after = clean.ask("GET", path)
    clean.ask("PATCH", path, {"metadata": {"labels": manifests.LABELS}})
    assert manifests.title(manifest) in message
    assert "not made by Sekisho" in message
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_import_of_an_unreachable_cluster_stores_nothing(
    store: Store, kubernetes: OwnCluster
) -> None:
    endpoint = replace(kubernetes.endpoint, servers=(UNREACHABLE,))
    assert UNREACHABLE in await refusal(store, endpoint, kubernetes.administrator)


async def test_import_with_an_unreachable_api_server_is_rolled_back(
    clean: OwnCluster, store: Store
) -> None:
    endpoint = replace(clean.endpoint, servers=(clean.servers[0], UNREACHABLE))
    message = await refusal(store, endpoint, clean.administrator)
    assert UNREACHABLE in message
    assert "nothing was left behind" in message
    assert_taken_back(clean)


async def test_wrong_ca_and_wrong_name_have_different_messages(
    kubernetes: OwnCluster, store: Store
) -> None:
    other = create_authority("other", lifetime=timedelta(days=1), now=datetime.now(UTC))
    endpoint = replace(kubernetes.endpoint, ca_pem=other.certificate_pem.decode())
    message = await refusal(store, endpoint, kubernetes.administrator)
    assert "not signed by the given CA" in message
    endpoint = replace(kubernetes.endpoint, tls_server_name="other.example.test")
    message = await refusal(store, endpoint, kubernetes.administrator)
    assert "not for other.example.test" in message
    assert "--tls-server-name" in message


async def test_invalid_ca_is_rejected(kubernetes: OwnCluster, store: Store) -> None:
    endpoint = replace(kubernetes.endpoint, ca_pem="nonsense")
    assert "PEM" in await refusal(store, endpoint, kubernetes.administrator)


async def test_wrong_token_is_rejected(kubernetes: OwnCluster, store: Store) -> None:
    message = await refusal(store, kubernetes.endpoint, ClusterCredential(token="wrong"))
    assert "401" in message
    assert "wrong" not in message


async def test_import_without_rights_fails_before_any_change(
    clean: OwnCluster, store: Store
) -> None:
    message = await refusal(store, clean.endpoint, clean.certificate_for("mallory"))
    assert "403" in message
    assert "mallory" in message
    assert clean.managed_objects() == {}


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ("roles", "Role sekisho-system/sekisho-controller could not be made"),
        ("serviceaccounts/token", "serviceaccounts"),
    ],
)
async def test_import_that_fails_half_way_is_rolled_back(
    clean: OwnCluster, store: Store, lacking: str, said: str
) -> None:
    let_in_without(clean, lacking)
    message = await refusal(store, clean.endpoint, clean.certificate_for(f"no-{lacking}"))
    assert said in message
    assert "nothing was left behind" in message
    assert_taken_back(clean)


async def test_import_that_cannot_be_stored_is_rolled_back(
    clean: OwnCluster, store: Store, tmp_path: Path
) -> None:
    await refuse_writes(tmp_path / "store.db", "clusters")
    message = await refusal(store, clean.endpoint, clean.administrator)
    assert "nothing was left behind" in message
    assert_taken_back(clean)


@pytest.mark.parametrize("name", ["", "Prod", "a b", "-a", "a/b", "c-aaaaaaaaaa", "a" * 64, "ü"])
async def test_name_that_cannot_be_in_a_url_is_rejected(
    store: Store, kubernetes: OwnCluster, name: str
) -> None:
    with pytest.raises(InvalidRequest, match="can't be a cluster's name"):
        await ClusterService(store).import_cluster(
            name, kubernetes.endpoint, kubernetes.administrator
        )


def let_in_without(cluster: OwnCluster, lacking: str) -> None:
    """Create a user who lacks one permission in namespaces that an import needs."""
    user = f"no-{lacking}"
    name = user.replace("/", "-")
    inside = {"roles", "rolebindings", "serviceaccounts", "serviceaccounts/token"} - {lacking}
    rbac = "rbac.authorization.k8s.io"
    rules = [
        {
            "apiGroups": ["", rbac],
            "resources": ["namespaces", "clusterroles", "clusterrolebindings", *sorted(inside)],
            "verbs": ["*"],
        },
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
    ]
    reference = {"apiGroup": rbac, "kind": "ClusterRole", "name": name}
    for kind, content in (
        ("ClusterRole", {"rules": rules}),
        (
            "ClusterRoleBinding",
            {"roleRef": reference, "subjects": [{"apiGroup": rbac, "kind": "User", "name": user}]},
        ),
    ):
        cluster.ask(
            "POST", manifests.collection_path(kind), {"metadata": {"name": name}, **content}
        )


def assert_taken_back(cluster: OwnCluster) -> None:
    """Assert that no managed object remains, except a namespace that is being deleted."""
    left = set(cluster.managed_objects()) - {"Namespace sekisho-system"}
    assert {name for name in left if not name.startswith(("Role", "ServiceAccount"))} == set()
    if len(left) < len(cluster.managed_objects()):
        namespace = cluster.ask("GET", f"/api/v1/namespaces/{manifests.NAMESPACE}")
        assert namespace["status"]["phase"] == "Terminating"


async def refuse_writes(database: Path, table: str) -> None:
    """Make writes to one table of the store fail, as on a full disk."""
    async with other_connection(database) as connection:
        await connection.execute(
            f"CREATE TRIGGER full BEFORE INSERT ON {table} "
            "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )
