"""Tests of a real cluster that is reached through the tunnel of an agent, from end to end."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from agent.relay import Address
from store.agent_records import AgentToken, agent_token_digest
from tests.store.records import NOW
from tests.support.agents import TestAgent, open_tunnel
from tests.support.edge import TOKEN, store_of, target
from tests.support.kubernetes import Kubernetes
from tests.support.sekisho import HttpResponse, Sekisho, free_port, make_sekisho
from tests.support.waiting import eventually


@pytest.fixture
def behind(kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    """Run a Sekisho with the session's cluster, imported directly."""
    made = make_sekisho(tmp_path_factory.mktemp("sekisho"), (free_port(), free_port()))
    made.run("admin", "cluster", "import", "edge", "--kubeconfig", str(kubernetes.admin_kubeconfig))
    made.start()
    made.create_user("root", "--admin")
    yield made
    made.stop()


async def _reach_by_agent(sekisho: Sekisho) -> None:
    async with store_of(sekisho) as store:
        cluster = await store.clusters.get("edge")
        assert cluster is not None
        # Nothing listens there: only the agent knows the API server's address.
        servers = tuple(f"https://127.0.0.1:{free_port()}" for _ in cluster.servers)
        await store.clusters.replace(replace(cluster, reach="agent", servers=servers))
        digest = agent_token_digest(TOKEN)
        await store.agent_tokens.create(AgentToken("at-1", cluster.id, digest, NOW))


async def test_cluster_without_a_way_is_used_through_its_agent_and_missed_without_it(
    behind: Sekisho, kubernetes: Kubernetes
) -> None:
    token = await asyncio.to_thread(behind.token, "root")
    await _reach_by_agent(behind)

    async def get(path: str) -> HttpResponse:
        return await asyncio.to_thread(behind.request, "GET", path, token=token)

    async def reachable() -> dict[str, str]:
        body = (await get("/v1/clusters/edge")).json()
        conditions = (body.get("status") or {}).get("conditions", [])
        return next((one for one in conditions if one["type"] == "Reachable"), {})

    api_server = urlsplit(kubernetes.servers[0])
    assert api_server.hostname is not None
    assert api_server.port is not None
    agent = TestAgent(Address(api_server.hostname, api_server.port))
    async with open_tunnel(target(behind), agent):
        await eventually(lambda: agent.welcome is not None)
        for _ in range(3):
            response = await get("/k8s/clusters/edge/api/v1/namespaces")
            assert response.status == 200, response.body
            assert response.json()["kind"] == "NamespaceList"
        cluster = (await get("/v1/clusters/edge")).json()
        assert cluster["reach"] == "agent"
        (shown,) = cluster["agents"]
        assert (shown["pod"], shown["node"], shown["version"]) == ("agent-abc", "node-1", "1.2.0")
        assert shown["since"]

        async def has_streams() -> bool:
            # The pool's connections, and the watches of the controllers.
            (one,) = (await get("/v1/clusters/edge")).json()["agents"]
            return bool(one["streams"] and one["rtt"])

        await eventually(has_streams)

        async def is_reachable() -> bool:
            return (await reachable()).get("status") == "True"

        await eventually(is_reachable)
    response = await get("/k8s/clusters/edge/api/v1/namespaces")
    assert response.status == 503
    assert response.json()["kind"] == "Status"
    assert (await get("/v1/clusters/edge")).json()["agents"] == []

    async def is_missed() -> bool:
        return (await reachable()).get("reason") == "NoAgent"

    await eventually(is_missed, what=lambda: "the condition NoAgent")
