"""The token of a cluster's agents is replaced."""

import asyncio
from datetime import UTC, datetime, timedelta

from management.clusters.agent_token_rotation import OVERLAP, revoke_replaced
from store.agent_records import agent_token_digest
from tests.management.clusters.agent_world import SECRET, AgentWorld

DEPLOYMENT = "/apis/apps/v1/namespaces/sekisho-system/deployments/sekisho-agent"


async def test_new_token_is_in_the_cluster_and_the_old_one_is_revoked_when_it_is_used(
    world: AgentWorld,
) -> None:
    cluster_id = await world.registered()
    tokens = world.store.agent_tokens
    [old] = await tokens.of_cluster(cluster_id)
    await tokens.note_used(datetime.now(UTC), old.id)
    status, answer = await world.send("POST", "/v1/clusters/edge/agent/token")
    assert status == 201, answer
    new = await tokens.find(agent_token_digest(world.secret_token()))
    assert new is not None
    assert new.id == answer["id"]
    template = world.cluster.ask("GET", DEPLOYMENT)["spec"]["template"]
    assert template["metadata"]["annotations"] == {"sekisho.io/agent-token": new.id}
    assert "ca.crt" in world.cluster.ask("GET", SECRET)["data"]
    later = datetime.now(UTC) + OVERLAP
    assert await revoke_replaced(world.store, later) == [], "no tunnel has the new one"
    await tokens.note_used(datetime.now(UTC), new.id)
    assert await revoke_replaced(world.store, later - timedelta(minutes=1)) == []
    status, problem = await world.send("POST", "/v1/clusters/edge/agent/token")
    assert (status, "are changing to a new token" in problem["detail"]) == (409, True)
    assert await revoke_replaced(world.store, later) == [old.id]
    assert await tokens.of_cluster(cluster_id) == [await tokens.find(new.digest)]


async def test_rotation_that_the_cluster_refuses_leaves_the_old_token(world: AgentWorld) -> None:
    cluster_id = await world.registered()
    before = await world.store.agent_tokens.of_cluster(cluster_id)
    token = world.secret_token()
    role = "/apis/rbac.authorization.k8s.io/v1/namespaces/sekisho-system/rolebindings/sekisho-agent"
    world.cluster.ask("DELETE", role)
    status, problem = await world.send("POST", "/v1/clusters/edge/agent/token")
    assert (status, "apply a new manifest of the agent" in problem["detail"]) == (502, True)
    assert await world.store.agent_tokens.of_cluster(cluster_id) == before
    assert world.secret_token() == token


async def test_rotation_without_an_agent_changes_nothing(world: AgentWorld) -> None:
    cluster_id = await world.registered()
    before = await world.store.agent_tokens.of_cluster(cluster_id)
    world.dialer.connected = False
    assert (await world.send("POST", "/v1/clusters/edge/agent/token"))[0] == 503
    assert await world.store.agent_tokens.of_cluster(cluster_id) == before


async def test_rotations_at_the_same_time_leave_a_token_that_works(world: AgentWorld) -> None:
    cluster_id = await world.registered()
    [old] = await world.store.agent_tokens.of_cluster(cluster_id)
    await world.store.agent_tokens.note_used(datetime.now(UTC), old.id)
    path = "/v1/clusters/edge/agent/token"
    answers = await asyncio.gather(*(world.send("POST", path) for _ in range(3)))
    assert {status for status, _ in answers} <= {201, 409}
    assert (await world.send("POST", path))[0] == 201
    held = {one.digest for one in await world.store.agent_tokens.of_cluster(cluster_id)}
    assert held == {old.digest, agent_token_digest(world.secret_token())}


async def test_second_rotation_replaces_a_token_that_was_never_used(world: AgentWorld) -> None:
    cluster_id = await world.registered()
    [old] = await world.store.agent_tokens.of_cluster(cluster_id)
    await world.store.agent_tokens.note_used(datetime.now(UTC), old.id)
    for _ in range(2):
        assert (await world.send("POST", "/v1/clusters/edge/agent/token"))[0] == 201
    held = await world.store.agent_tokens.of_cluster(cluster_id)
    assert [one.digest for one in held] == [old.digest, agent_token_digest(world.secret_token())]
