"""``/v1/clusters/<c>/provisioning`` over HTTP, with a real store and a real management cluster."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from management.clusters.kubeconfig_import import from_kubeconfig
from management.clusters.service import ClusterService
from management.identity.tokens import TokenSpec
from management.kubernetes.manifests import PROVISIONER
from management.provisioning.token_renewal import is_due, renew_provisioner_token_in_time
from store.errors import Conflict
from store.interfaces import Store
from store.order_records import OrderLimits
from store.records import Cluster
from tests.management import conftest
from tests.management.clusters.unreachable import UNREACHABLE
from tests.management.conftest import OwnCluster, user
from tests.management.provisioning.things import an_order
from tests.store.records import let_in
from tests.support.addresses import LOOPBACK_ALLOWED
from tests.support.capi.management_cluster import ManagementCluster
from tests.support.capi.standin_kinds import CLASS, NAMESPACE
from tests.support.management_app import URL, Client, make_token_issuer, serve_management
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(600)

store = conftest.store
"""The store of tests/management, not the one of tests/management/api, which has clusters."""

WANTED = {"namespace": NAMESPACE}


@dataclass
class World:
    """The API, and the management cluster, which is imported as ``mgmt``."""

    store: Store
    client: Client
    cluster: Cluster
    real: ManagementCluster

    async def ask(
        self,
        name: str,
        method: str,
        path: str = "mgmt/provisioning",
        body: Any = None,
        **headers: str,
    ) -> tuple[int, Any]:
        """Send a request with a new token of a user."""
        found = await self.store.users.get(user(name).id)
        assert found is not None
        issuer = make_token_issuer(self.store)
        issued = await issuer.issue(found, TokenSpec(kind="session", ttl=timedelta(hours=1)))
        sent = {"Authorization": f"Bearer {issued.bearer}"}
        sent |= {key.replace("_", "-"): value for key, value in headers.items()}
        url = f"/v1/clusters/{path}"
        async with self.client.request(method, url, headers=sent, json=body) as answer:
            return answer.status, await answer.json() if answer.status != 204 else None

    def accounts(self) -> str:
        """Return what Sekisho has in the cluster."""
        kinds = "serviceaccounts,clusterroles,rolebindings,validatingadmissionpolicies"
        return self.real.kubectl("get", kinds, "--all-namespaces", "-o", "name")


@asynccontextmanager
async def imported_world(
    store: Store, management_cluster: ManagementCluster, url: str = URL
) -> AsyncIterator[World]:
    """Serve a Sekisho that has imported the cluster; at the end, its account there is removed.

    root administers Sekisho; alice owns the cluster, and nothing else.
    """
    access = from_kubeconfig(management_cluster.kubeconfig)
    endpoint = replace(access.endpoint, addresses=LOOPBACK_ALLOWED)
    imported = await ClusterService(store).import_cluster("mgmt", endpoint, access.credential)
    assert imported.cluster is not None
    await store.users.create(replace(user("root"), administrator=True))
    if await store.users.get(user("alice").id) is not None:
        await let_in(store, imported.cluster.id, user("alice").id, "cluster-owner")
    async with serve_management(store, make_token_issuer(store), url=url) as client:
        world = World(store, client, imported.cluster, management_cluster)
        yield world
        await world.ask("root", "DELETE")


@pytest.fixture
async def world(store: Store, management_cluster: ManagementCluster) -> AsyncIterator[World]:
    """A Sekisho with the management cluster."""
    management_cluster.forget_sekisho()
    async with imported_world(store, management_cluster) as made:
        yield made


async def test_administrator_makes_and_changes_and_ends_a_management_cluster(world: World) -> None:
    body = WANTED | {"classes": [{"name": CLASS, "roles": ["standard-user"], "clusters": 5}]}
    status, made = await world.ask("root", "PUT", body=body | {"limits": {"workers": 10}})
    assert status == 201, made
    token = (await world.store.management_clusters.list_all())[0].token
    assert token not in str(made)
    assert made["classes"] == [{"name": CLASS, "roles": ["standard-user"], "clusters": 5}]
    assert made["limits"]["workers"] == 10
    assert made == (await world.ask("alice", "GET"))[1]
    status, changed = await world.ask("root", "PUT", body=WANTED)
    assert (status, changed["classes"]) == (200, [])
    assert PROVISIONER in world.accounts()
    assert (await world.ask("root", "DELETE"))[0] == 204
    assert PROVISIONER not in world.accounts()
    assert (await world.ask("root", "GET"))[0] == 404
    assert (await world.ask("root", "DELETE"))[0] == 404


async def test_owner_of_the_cluster_may_not_make_it_a_management_cluster(world: World) -> None:
    status, problem = await world.ask("alice", "PUT", body=WANTED)
    assert (status, "administrator" in problem["detail"]) == (403, True)
    assert (await world.ask("alice", "DELETE"))[0] == 403
    assert (await world.ask("bob", "PUT", body=WANTED))[0] == 404
    assert PROVISIONER not in world.accounts()


async def test_changed_settings_with_an_old_revision_are_refused(world: World) -> None:
    assert (await world.ask("root", "PUT", body=WANTED, If_Match='"7"'))[0] == 412
    assert (await world.ask("root", "PUT", body=WANTED))[0] == 201
    assert (await world.ask("root", "PUT", body=WANTED, If_Match='"7"'))[0] == 412
    assert (await world.ask("root", "DELETE", If_Match='"7"'))[0] == 412


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "namespace": ({"namespace": "nowhere"}, '"nowhere" does not exist'),
    "namespace's name": ({"namespace": "../kube-system"}, "namespace"),
    "unknown class": (WANTED | {"classes": [{"name": "nope"}]}, 'no ClusterClass "nope"'),
    "class's name": (WANTED | {"classes": [{"name": "../x"}]}, "classes"),
    "class twice": (WANTED | {"classes": [{"name": CLASS}, {"name": CLASS}]}, "listed twice"),
    "unknown role": (WANTED | {"classes": [{"name": CLASS, "roles": ["x"]}]}, "role 'x' not found"),
    "limit": (WANTED | {"limits": {"workers": -1}}, "workers"),
    "unknown field": (WANTED | {"colour": "red"}, "colour"),
}


async def test_settings_that_are_not_valid_are_refused_and_leave_nothing(world: World) -> None:
    for body, message in BAD.values():
        status, problem = await world.ask("root", "PUT", body=body)
        assert status == 422, problem
        assert message in str(problem)
    assert PROVISIONER not in world.accounts()
    assert not await world.store.management_clusters.list_all()


async def test_engine_that_is_away_is_reported_and_leaves_nothing(world: World) -> None:
    world.real.stop_core_manager()
    try:
        status, problem = await world.ask("root", "PUT", body=WANTED)
    finally:
        world.real.start_core_manager()
    assert (status, "controllers do not respond" in problem["detail"]) == (503, True)
    assert PROVISIONER not in world.accounts()


async def test_management_cluster_with_orders_stays(world: World) -> None:
    assert (await world.ask("root", "PUT", body=WANTED))[0] == 201
    await world.store.orders.create(an_order(management_id=world.cluster.id), OrderLimits())
    for method, path in (("DELETE", "mgmt/provisioning"), ("DELETE", "mgmt")):
        status, problem = await world.ask("root", method, path)
        assert (status, "three" in problem["detail"]) == (409, True)
    with pytest.raises(Conflict, match="three"):
        await ClusterService(world.store).remove("mgmt")
    world.real.kubectl("create", "namespace", "elsewhere")
    try:
        assert (await world.ask("root", "PUT", body={"namespace": "elsewhere"}))[0] == 409
    finally:
        world.real.kubectl("delete", "namespace", "elsewhere")
    assert PROVISIONER in world.accounts()
    await world.store.orders.delete(an_order().id)


async def test_cluster_that_is_removed_or_held_does_not_become_a_management_cluster(
    world: World,
) -> None:
    stored = await world.store.clusters.get(world.cluster.id)
    assert stored is not None
    for field, words in (("held_since", "restore --accept"), ("removing_since", "being removed")):
        changed: dict[str, Any] = {field: datetime.now(UTC)}
        await world.store.clusters.replace(replace(stored, **changed))
        status, problem = await world.ask("root", "PUT", body=WANTED)
        assert (status, words in problem["detail"]) == (409, True)
    assert PROVISIONER not in world.accounts()


async def test_management_cluster_that_is_away_stays_unless_its_objects_are_kept(
    world: World,
) -> None:
    assert (await world.ask("root", "PUT", body=WANTED))[0] == 201
    stored = await world.store.clusters.get(world.cluster.id)
    assert stored is not None
    await world.store.clusters.replace(replace(stored, servers=(UNREACHABLE,)))
    status, problem = await world.ask("root", "DELETE")
    assert (status, UNREACHABLE in problem["detail"]) == (503, True)
    assert (await world.ask("root", "GET"))[0] == 200
    path = "mgmt/provisioning?keep_cluster_objects=true"
    assert (await world.ask("root", "DELETE", path))[0] == 204
    assert (await world.ask("root", "GET"))[0] == 404
    await world.store.clusters.replace(stored)
    assert (await world.ask("root", "PUT", body=WANTED))[0] == 201  # For the fixture to remove.


async def test_token_that_ends_is_renewed_in_the_background(world: World) -> None:
    assert (await world.ask("root", "PUT", body=WANTED))[0] == 201
    before = await world.store.management_clusters.get(world.cluster.id)
    assert before is not None
    assert not is_due(before, datetime.now(UTC))

    class Slept(Exception):
        """The end of the first round."""

    async def sleep(seconds: float) -> None:
        raise Slept

    later = before.token_expires_at - timedelta(days=1)
    with pytest.raises(Slept):
        await renew_provisioner_token_in_time(
            world.store, world.cluster, now=lambda: later, sleep=sleep
        )
    after = await world.store.management_clusters.get(world.cluster.id)
    assert after is not None
    assert after.token != before.token
    assert after.revision == before.revision


async def test_cluster_without_the_engine_is_refused(store: Store, clean: OwnCluster) -> None:
    imported = await ClusterService(store).import_cluster(
        "plain", clean.endpoint, clean.administrator
    )
    assert imported.cluster is not None
    await store.users.create(replace(user("root"), administrator=True))
    async with serve_management(store, make_token_issuer(store)) as client:
        world = World(store, client, imported.cluster, None)  # type: ignore[arg-type]
        status, problem = await world.ask("root", "PUT", "plain/provisioning", WANTED)
        assert (status, "clusterctl init" in problem["detail"]) == (409, True)
        old = older_engine(clean)
        status, problem = await world.ask("root", "PUT", "plain/provisioning", WANTED)
        assert (status, "serves v1beta1" in problem["detail"]) == (409, True), problem
        clean.ask("DELETE", f"{DEFINITIONS}/{old}")
        gone = replace(imported.cluster, servers=(UNREACHABLE,))
        await store.clusters.replace(gone)
        status, problem = await world.ask("root", "PUT", "plain/provisioning", WANTED)
        assert (status, UNREACHABLE in problem["detail"]) == (503, True)


DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def older_engine(cluster: OwnCluster) -> str:
    """Define Clusters as Cluster API before v1.11 did; return the definition's name."""
    name = "clusters.cluster.x-k8s.io"
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": name,
            "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
        },
        "spec": {
            "group": "cluster.x-k8s.io",
            "scope": "Namespaced",
            "names": {"kind": "Cluster", "plural": "clusters", "singular": "cluster"},
            "versions": [
                {
                    "name": "v1beta1",
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "x-kubernetes-preserve-unknown-fields": True,
                        }
                    },
                }
            ],
        },
    }
    cluster.ask("POST", DEFINITIONS, definition)

    def served() -> bool:
        groups = cluster.ask("GET", "/apis")["groups"]
        return any(one["name"] == "cluster.x-k8s.io" for one in groups)

    wait_until(served, 60, "the older engine's API")
    return name
