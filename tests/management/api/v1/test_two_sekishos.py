"""Two Sekishos with one real management cluster: it belongs to one of them at a time."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from management.clusters.service import ClusterService
from management.kubernetes.client import ClusterClient
from management.kubernetes.cluster_client import controller_client, endpoint_of
from management.kubernetes.endpoint import ClusterCredential
from management.kubernetes.errors import ApiForbidden
from management.kubernetes.manifests import OWNER_URL, PROVISIONER, PROVISIONER_CLAIM
from management.provisioning.engine import CLUSTERS, engine_path
from management.provisioning.ownership import UsedByAnother
from management.provisioning.setup import renewed_token
from store.encryption import Keyring, generate_key
from tests.management.api.v1 import test_management_clusters as management_clusters
from tests.management.api.v1.test_management_clusters import WANTED, World, imported_world
from tests.support.addresses import LOOPBACK_ALLOWED
from tests.support.capi.management_cluster import ManagementCluster
from tests.support.capi.standin_kinds import NAMESPACE
from tests.support.management_app import URL
from tests.support.stores import open_new_store
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(600)

store, world = management_clusters.store, management_clusters.world

OTHER_URL = "https://other.example.test"
TAKE_OVER = "mgmt/provisioning?take_over=true"


@pytest.fixture
async def other(
    world: World, tmp_path: Path, management_cluster: ManagementCluster
) -> AsyncIterator[World]:
    """Another Sekisho that has imported the same cluster."""
    opened = await open_new_store(
        f"sqlite:///{tmp_path}/other.db",
        Keyring.parse(generate_key()),
        addresses=LOOPBACK_ALLOWED,
    )
    async with imported_world(opened, management_cluster, OTHER_URL) as made:
        yield made
    await opened.close()


async def may_order(world: World, token: str) -> bool:
    """Return whether the cluster accepts a token of the account for orders."""
    credential = ClusterCredential(token=token)
    async with ClusterClient(endpoint_of(world.cluster), credential) as client:
        try:
            await client.get(engine_path(CLUSTERS, NAMESPACE))
        except ApiForbidden:
            return False
    return True


async def token_of(world: World) -> str:
    """Return the stored token of the account for orders."""
    [known] = await world.store.management_clusters.list_all()
    return known.token


async def test_management_cluster_of_another_sekisho_is_refused_and_left_alone(
    world: World, other: World
) -> None:
    assert (await world.ask("root", "PUT", body=WANTED))[0] == 201
    status, problem = await other.ask("root", "PUT", body=WANTED)
    assert status == 409, problem
    assert URL in problem["detail"]
    assert "--take-over" in problem["detail"]
    assert not await other.store.management_clusters.list_all()
    status, problem = await other.ask("root", "DELETE")
    assert (status, URL in problem["detail"]) == (409, True)
    assert await may_order(world, await token_of(world))
    assert (await world.ask("root", "PUT", body=WANTED))[0] == 200
    assert (await world.ask("root", "DELETE"))[0] == 204
    assert PROVISIONER not in world.accounts()
    assert (await other.ask("root", "PUT", body=WANTED))[0] == 201


async def test_two_sekishos_that_enable_a_cluster_at_once_leave_it_to_one(
    world: World, other: World
) -> None:
    answers = await asyncio.gather(*(one.ask("root", "PUT", body=WANTED) for one in (world, other)))
    assert sorted(status for status, _ in answers) == [201, 409], answers
    first = answers[0][0] == 201
    winner, loser = (world, other) if first else (other, world)
    [refused] = [body for status, body in answers if status == 409]
    assert (URL if first else OTHER_URL) in refused["detail"]
    assert await may_order(winner, await token_of(winner))
    assert not await loser.store.management_clusters.list_all()


async def test_taking_a_cluster_over_ends_the_other_account_and_survives_its_disabling(
    world: World, other: World
) -> None:
    assert (await world.ask("root", "PUT", body=WANTED))[0] == 201
    before = await token_of(world)
    assert (await other.ask("root", "PUT", TAKE_OVER, WANTED))[0] == 201

    async def is_rejected() -> bool:
        return not await may_order(world, before)

    # An API server remembers a token that it has accepted for some seconds.
    await eventually(is_rejected, 60, "the former token to be rejected")
    with pytest.raises(UsedByAnother, match=OTHER_URL):
        await renewed_token(world.cluster)
    status, problem = await world.ask("root", "PUT", body=WANTED)
    assert (status, OTHER_URL in problem["detail"]) == (409, True)
    assert (await world.ask("root", "DELETE"))[0] == 204
    assert (await world.ask("root", "GET"))[0] == 404
    assert await may_order(other, await token_of(other))


async def test_account_of_an_earlier_version_is_its_own_or_taken_over(
    world: World, other: World
) -> None:
    assert (await world.ask("root", "PUT", body=WANTED))[0] == 201
    world.real.kubectl("delete", "clusterrole", PROVISIONER_CLAIM)  # As that version left it.
    status, problem = await other.ask("root", "PUT", body=WANTED)
    assert (status, "earlier version" in problem["detail"]) == (409, True)
    status, problem = await other.ask("root", "DELETE")
    assert (status, "earlier version" in problem["detail"]) == (409, True)
    assert (await renewed_token(world.cluster)).token
    assert (await world.ask("root", "PUT", body=WANTED))[0] == 200
    shown = world.real.kubectl("get", "clusterrole", PROVISIONER_CLAIM, "-o", "yaml")
    assert f"{OWNER_URL}: {URL}" in shown


async def test_removal_of_the_cluster_leaves_another_sekisho_its_orders(
    world: World, other: World
) -> None:
    assert (await world.ask("root", "PUT", body=WANTED))[0] == 201
    removed = await ClusterService(other.store).remove("mgmt")
    assert removed.objects.others == (world.cluster.id,)
    assert await may_order(world, await token_of(world))
    async with controller_client(world.cluster) as client:
        assert await client.get("/version")


async def test_removal_beside_another_sekisho_removes_its_own_account_for_orders(
    world: World, other: World
) -> None:
    assert (await world.ask("root", "PUT", body=WANTED))[0] == 201
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {
            "name": "sekisho-custom",
            "labels": {
                "app.kubernetes.io/managed-by": "sekisho",
                "app.kubernetes.io/part-of": "sekisho",
                "sekisho.io/cluster": other.cluster.id,
            },
        },
        "rules": [],
    }
    world.real.apply([role])
    removed = await ClusterService(world.store).remove("mgmt")
    assert removed.objects.others == (other.cluster.id,)
    assert PROVISIONER not in world.accounts()
    async with controller_client(other.cluster) as client:
        assert await client.get("/version")


async def test_claim_follows_a_sekisho_that_moves(world: World) -> None:
    assert (await world.ask("root", "PUT", body=WANTED))[0] == 201
    path = ("clusterrole", PROVISIONER_CLAIM)
    world.real.kubectl("annotate", *path, "--overwrite", f"{OWNER_URL}=https://old.example.test")
    assert (await world.ask("root", "PUT", body=WANTED))[0] == 200
    assert f"{OWNER_URL}: {URL}" in world.real.kubectl("get", *path, "-o", "yaml")
