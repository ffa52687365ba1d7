"""Sekisho's account in a real management cluster: what it may do, and what the guard denies."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from management.clusters.kubeconfig_import import from_kubeconfig
from management.clusters.service import ClusterService
from management.errors import ClusterOperationFailed, InvalidRequest
from management.kubernetes.client import ClusterClient
from management.kubernetes.cluster_client import controller_client, endpoint_of
from management.kubernetes.endpoint import ClusterCredential
from management.kubernetes.errors import ApiForbidden
from management.kubernetes.manifests import CLUSTER_LABEL, PROVISIONER
from management.provisioning.engine import CLUSTERS, engine_path, manifest_of
from management.provisioning.order_rights import grant_kubeconfig, revoke_kubeconfig
from management.provisioning.rights import USERNAME
from management.provisioning.setup import set_up, tear_down
from management.provisioning.suitability import UnsuitableCluster
from store.interfaces import Store
from store.order_records import Order
from store.records import Cluster
from tests.management.provisioning.things import an_order
from tests.support.addresses import LOOPBACK_ALLOWED
from tests.support.capi.management_cluster import ManagementCluster, cluster_manifest
from tests.support.capi.standin_kinds import CLASS, NAMESPACE
from tests.support.kubernetes import kubectl
from tests.support.management_app import URL
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(600)

PLACE = f"--namespace={NAMESPACE}"


@pytest.fixture
async def management(store: Store, management_cluster: ManagementCluster) -> Cluster:
    """The management cluster, imported."""
    management_cluster.forget_sekisho()
    access = from_kubeconfig(management_cluster.kubeconfig)
    endpoint = replace(access.endpoint, addresses=LOOPBACK_ALLOWED)
    imported = await ClusterService(store).import_cluster("mgmt", endpoint, access.credential)
    assert imported.cluster is not None
    return imported.cluster


@pytest.fixture
async def account(management: Cluster) -> AsyncIterator[ClusterClient]:
    """A client with the account's token."""
    token = (await set_up(management, NAMESPACE, [CLASS], url=URL)).token
    yield ClusterClient(endpoint_of(management), ClusterCredential(token=token))
    await tear_down(management)


QUESTIONS = {
    ("create", "clusters.cluster.x-k8s.io", PLACE): True,
    ("delete", "clusters.cluster.x-k8s.io", PLACE): True,
    ("watch", "machinedeployments.cluster.x-k8s.io", PLACE): True,
    ("list", "clusterclasses.cluster.x-k8s.io", PLACE): True,
    ("get", "secrets/three-kubeconfig", PLACE): True,
    ("get", "secrets/three-ca", PLACE): False,
    ("list", "secrets", PLACE): False,
    ("watch", "secrets", PLACE): False,
    ("create", "clusterclasses.cluster.x-k8s.io", PLACE): False,
    ("patch", "machinedeployments.cluster.x-k8s.io", PLACE): False,
    ("delete", "machines.cluster.x-k8s.io", PLACE): False,
    ("patch", "clusters.cluster.x-k8s.io", "--subresource=status", PLACE): False,
    ("update", "clusters.cluster.x-k8s.io", PLACE): False,
    ("get", "processcontrolplanes.controlplane.cluster.x-k8s.io", PLACE): False,
    ("create", "rolebindings.rbac.authorization.k8s.io", PLACE): False,
    ("list", "clusters.cluster.x-k8s.io", "--namespace=default"): False,
    ("list", "clusters.cluster.x-k8s.io", "--all-namespaces"): False,
    ("get", "secrets/three-kubeconfig", "--namespace=default"): False,
    ("impersonate", "users"): False,
    ("create", "serviceaccounts/sekisho-provisioner", "--subresource=token"): False,
    ("get", "namespaces"): False,
}
"""Whether the account may do something, with the right to the kubeconfig of the order ``three``."""


async def test_account_after_setup_has_these_rights_only(
    management: Cluster, account: ClusterClient, management_cluster: ManagementCluster
) -> None:
    async with controller_client(management) as controller:
        await grant_kubeconfig(controller, "c-abcdefghij", "three", NAMESPACE)
    assert {one: management_cluster.can_i(USERNAME, *one) for one in QUESTIONS} == QUESTIONS
    async with controller_client(management) as controller:
        await revoke_kubeconfig(controller, "c-abcdefghij", NAMESPACE)
    assert not management_cluster.can_i(USERNAME, "get", "secrets/three-kubeconfig", PLACE)


def plain_order(**fields: Any) -> Order:
    """Return an order without variables, of the class that exists."""
    return an_order(wanted=replace(an_order().wanted, variables={}, class_name=CLASS), **fields)


async def test_account_writes_and_deletes_a_cluster_of_an_order(account: ClusterClient) -> None:
    order = plain_order()
    path = engine_path(CLUSTERS, NAMESPACE, "three")
    async with account:
        made = await account.apply(path, manifest_of(order, NAMESPACE))
        pools = tuple(replace(one, replicas=1) for one in order.wanted.pools)
        changed = replace(order, wanted=replace(order.wanted, pools=pools))
        await account.apply(path, manifest_of(changed, NAMESPACE))
        assert await account.delete(path, made["metadata"]["uid"])


async def test_guard_denies_changes_of_clusters_of_others(
    account: ClusterClient, management_cluster: ManagementCluster
) -> None:
    management_cluster.apply([cluster_manifest("theirs", fail="never starts")])
    path = engine_path(CLUSTERS, NAMESPACE, "theirs")
    try:
        async with account:
            with pytest.raises(ApiForbidden, match="not Sekisho's"):
                await account.delete(path)
            label = {"metadata": {"labels": {CLUSTER_LABEL: "c-abcdefghij"}}}
            with pytest.raises(ApiForbidden, match="not Sekisho's"):
                await account.patch(path, label)
            with pytest.raises(ApiForbidden, match="not Sekisho's"):
                await account.apply(path, manifest_of(plain_order(engine_name="theirs"), NAMESPACE))
        assert management_cluster.cluster("theirs") is not None
    finally:
        management_cluster.delete_all()


CHANGES: dict[str, dict[str, Any]] = {
    "has the label": {"metadata": {"labels": {CLUSTER_LABEL: None}}},
    "does not change": {"metadata": {"labels": {CLUSTER_LABEL: "c-zzzzzzzzzz"}}},
    "metadata.finalizers": {"metadata": {"finalizers": []}},
    "metadata.ownerReferences": {
        "metadata": {
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "00000000-1"}
            ]
        }
    },
    "spec.infrastructureRef": {
        "spec": {
            "infrastructureRef": {
                "apiGroup": "infrastructure.cluster.x-k8s.io",
                "kind": "ProcessCluster",
                "name": "theirs",
            }
        }
    },
}


async def test_guard_denies_changes_that_would_escape_it(
    account: ClusterClient, management_cluster: ManagementCluster
) -> None:
    manifest = cluster_manifest("three", fail="never starts")
    manifest["metadata"]["labels"] = {CLUSTER_LABEL: "c-abcdefghij"}
    management_cluster.apply([manifest])
    path = engine_path(CLUSTERS, NAMESPACE, "three")
    try:
        management_cluster.await_references("three")
        async with account:
            for message, change in CHANGES.items():
                with pytest.raises(ApiForbidden, match=message):
                    await account.patch(path, change)
    finally:
        management_cluster.delete_all()


async def test_guard_denies_new_clusters_that_are_no_orders(account: ClusterClient) -> None:
    path = engine_path(CLUSTERS, NAMESPACE)
    theirs = cluster_manifest("escaped")
    labelled = {**theirs["metadata"], "labels": {CLUSTER_LABEL: "c-abcdefghij"}}
    async with account:
        with pytest.raises(ApiForbidden, match="has the label"):
            await account.create(path, theirs)
        with pytest.raises(ApiForbidden, match="has a topology"):
            await account.create(path, {**theirs, "metadata": labelled, "spec": {"paused": True}})
        spec = {**theirs["spec"], **CHANGES["spec.infrastructureRef"]["spec"]}
        with pytest.raises(ApiForbidden, match="infrastructureRef"):
            await account.create(path, {**theirs, "metadata": labelled, "spec": spec})


async def test_guard_leaves_other_accounts_alone(
    account: ClusterClient, management_cluster: ManagementCluster
) -> None:
    management_cluster.apply([cluster_manifest("operators", fail="never starts")])
    management_cluster.delete_all()


async def test_guard_keeps_the_namespace_out_of_projects(
    account: ClusterClient, management_cluster: ManagementCluster
) -> None:
    label = ("label", "namespace", NAMESPACE)

    def refused(*options: str) -> bool:
        words = (*label, "sekisho.io/project=p-shop", *options)
        done = kubectl(management_cluster.kubeconfig, *words)
        return "members of a project could read" in done.stderr

    # An API server reads a new policy some time after it is stored.
    wait_until(lambda: refused("--dry-run=server"), 30)
    assert refused()
    management_cluster.kubectl(*label, "team=platform")
    management_cluster.kubectl(*label, "team-")
    management_cluster.kubectl("label", "namespace", "default", "sekisho.io/project=p-shop")
    management_cluster.kubectl("label", "namespace", "default", "sekisho.io/project-")


async def test_teardown_leaves_nothing_of_the_account(
    management: Cluster, account: ClusterClient, management_cluster: ManagementCluster
) -> None:
    async with controller_client(management) as controller:
        await grant_kubeconfig(controller, "c-abcdefghij", "three", NAMESPACE)
    removed = await tear_down(management)
    assert f"ServiceAccount sekisho-system/{PROVISIONER}" in removed
    assert "ClusterRole sekisho-order-c-abcdefghij" in removed
    kinds = "serviceaccounts,clusterroles,rolebindings,validatingadmissionpolicies"
    found = management_cluster.kubectl("get", kinds, "--all-namespaces", "-o", "name")
    assert PROVISIONER not in found
    assert "sekisho-order" not in found
    async with account:
        with pytest.raises(ApiForbidden):
            await account.get(engine_path(CLUSTERS, NAMESPACE))
    assert await tear_down(management) == []


async def test_setup_without_the_namespace_says_so(management: Cluster) -> None:
    with pytest.raises(InvalidRequest, match='"nowhere" does not exist'):
        await set_up(management, "nowhere", [], url=URL)


async def test_setup_with_an_unknown_class_leaves_nothing(
    management: Cluster, management_cluster: ManagementCluster
) -> None:
    with pytest.raises(InvalidRequest, match='no ClusterClass "nope"'):
        await set_up(management, NAMESPACE, [CLASS, "nope"], url=URL)
    found = management_cluster.kubectl("get", "clusterroles", "-o", "name")
    assert PROVISIONER not in found


async def test_setup_in_the_namespace_of_a_project_is_refused(
    management: Cluster, management_cluster: ManagementCluster
) -> None:
    def is_labelled() -> bool:
        label = ("label", "namespace", NAMESPACE, "sekisho.io/project=p-shop", "--overwrite")
        return kubectl(management_cluster.kubeconfig, *label).returncode == 0

    # The guard of a test before is enforced for a moment after its deletion.
    wait_until(is_labelled, 60, "the label of the namespace")
    try:
        with pytest.raises(UnsuitableCluster, match="belongs to a project"):
            await set_up(management, NAMESPACE, [], url=URL)
    finally:
        management_cluster.kubectl("label", "namespace", NAMESPACE, "sekisho.io/project-")


async def test_setup_while_the_core_manager_is_away_says_so(
    management: Cluster, management_cluster: ManagementCluster
) -> None:
    management_cluster.stop_core_manager()
    try:
        with pytest.raises(ClusterOperationFailed, match="controllers do not respond"):
            await set_up(management, NAMESPACE, [], url=URL)
    finally:
        management_cluster.start_core_manager()
    found = management_cluster.kubectl("get", "clusterroles", "-o", "name")
    assert PROVISIONER not in found
