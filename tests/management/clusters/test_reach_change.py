"""A cluster changes between a direct address and its agent, and stays the same cluster."""

from dataclasses import replace

import pytest

from management.clusters.service import ClusterService
from store.records import Cluster
from tests.management.clusters.agent_world import AgentWorld
from tests.management.conftest import user
from tests.store import records


@pytest.fixture
async def direct(world: AgentWorld) -> Cluster:
    """The cluster, imported directly. alice owns it."""
    service = ClusterService(world.store)
    imported = await service.import_cluster(
        "edge", world.cluster.endpoint, world.cluster.administrator
    )
    assert imported.cluster is not None
    owner = records.a_binding(user("alice").id, "cluster-owner", imported.cluster.id)
    await world.store.bindings.create(owner)
    return imported.cluster


async def test_direct_cluster_is_reached_by_its_agent_and_directly_again(
    world: AgentWorld, direct: Cluster
) -> None:
    status, manifest = await world.send("POST", "/v1/clusters/edge/agent", {"replicas": 3})
    assert status == 201, manifest
    world.apply(manifest)
    status, changed = await world.send("PATCH", "/v1/clusters/edge", {"reach": "agent"})
    assert status == 200, changed
    assert (changed["id"], changed["reach"]) == (direct.id, "agent")
    assert changed["servers"] == ["https://kubernetes.default.svc"]
    stored = await world.store.clusters.get("edge")
    assert stored is not None
    assert (stored.uid, stored.impersonator_token) == (direct.uid, direct.impersonator_token)
    back = {"reach": "direct", "kubeconfig": world.cluster.admin_kubeconfig.read_text()}
    status, changed = await world.send("PATCH", "/v1/clusters/edge", back)
    assert status == 200, changed
    assert (changed["id"], changed["reach"]) == (direct.id, "direct")
    assert changed["servers"] == [world.cluster.servers[0]]
    assert await world.store.agent_tokens.of_cluster(direct.id) == []
    left = world.cluster.managed_objects()
    assert [one for one in left if one.endswith(" sekisho-agent")] == []


async def test_change_to_an_agent_that_is_not_connected_changes_nothing(
    world: AgentWorld, direct: Cluster
) -> None:
    world.dialer.connected = False
    status, problem = await world.send("PATCH", "/v1/clusters/edge", {"reach": "agent"})
    assert (status, "no agent" in problem["detail"]) == (503, True)
    assert await world.store.clusters.get("edge") == direct


async def test_change_to_direct_without_a_credential_sends_no_token(
    world: AgentWorld, direct: Cluster
) -> None:
    assert (await world.send("PATCH", "/v1/clusters/edge", {"reach": "agent"}))[0] == 200
    before = await world.store.clusters.get("edge")
    for body in ({}, {"servers": world.cluster.servers}, {"token": "a.b.c"}):
        status, _ = await world.send("PATCH", "/v1/clusters/edge", {"reach": "direct", **body})
        assert status == 422, body
    assert await world.store.clusters.get("edge") == before


async def test_agent_of_another_cluster_is_refused(world: AgentWorld, direct: Cluster) -> None:
    """Both clusters have certificates of the same CA."""
    stored = await world.store.clusters.get("edge")
    assert stored is not None
    other = replace(stored, uid="00000000-0000-0000-0000-000000000000")
    await world.store.clusters.replace(other)
    status, problem = await world.send("PATCH", "/v1/clusters/edge", {"reach": "agent"})
    assert (status, "is not the cluster" in problem["detail"]) == (422, True)
