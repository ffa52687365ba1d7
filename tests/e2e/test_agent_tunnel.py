"""Tests of a real cluster that is reached through the tunnel of an agent, from end to end."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from agent.relay import Address
from tests.support.agents import HELLO, TestAgent, open_tunnel
from tests.support.edge import reach_by_agent, target
from tests.support.kubernetes import Kubernetes
from tests.support.recording_upstream import RecordingUpstream
from tests.support.sekisho import HttpResponse, Sekisho, free_port, make_sekisho, running
from tests.support.waiting import eventually


@pytest.fixture
def behind(kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    """Run a Sekisho with the session's cluster, imported directly."""
    made = make_sekisho(tmp_path_factory.mktemp("sekisho"), (free_port(), free_port()))
    made.change(
        "admin", "cluster", "import", "edge", "--kubeconfig", str(kubernetes.admin_kubeconfig)
    )
    with running(made):
        made.create_user("root", "--admin")
        yield made


async def test_cluster_without_a_way_is_used_through_its_agent_and_missed_without_it(
    behind: Sekisho, kubernetes: Kubernetes
) -> None:
    token = await asyncio.to_thread(behind.token, "root")
    await reach_by_agent(behind)

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

    async def is_closed() -> bool:
        return bool((await get("/v1/clusters/edge")).json()["agents"] == [])

    await eventually(is_closed, what="the end of the tunnel")
    response = await get("/k8s/clusters/edge/api/v1/namespaces")
    assert response.status == 503
    assert response.json()["kind"] == "Status"

    async def is_missed() -> bool:
        return (await reachable()).get("reason") == "NoAgent"

    await eventually(is_missed, what=lambda: "the condition NoAgent")


async def test_agent_of_another_cluster_is_refused_and_gets_no_request(
    behind: Sekisho, kubernetes: Kubernetes, tmp_path: Path
) -> None:
    """The manifest was applied in a second cluster as well, whose agent connects first."""
    token = await asyncio.to_thread(behind.token, "root")
    await reach_by_agent(behind)

    async def get(path: str) -> HttpResponse:
        return await asyncio.to_thread(behind.request, "GET", path, token=token)

    async def trusted() -> dict[str, str]:
        body = (await get("/v1/clusters/edge")).json()
        return {one["pod"]: one["trust"] for one in body["agents"]}

    async def agent_ready() -> tuple[str, str]:
        status = (await get("/v1/clusters/edge")).json().get("status") or {}
        found = {one["type"]: one for one in status.get("conditions", [])}
        one, reachable = found.get("AgentReady", {}), found.get("Reachable", {})
        return one.get("reason", ""), reachable.get("status", "")

    async def is_unreachable() -> bool:
        return (await get("/k8s/clusters/edge/api/v1/namespaces")).status in (502, 503)

    async def requests_succeed() -> None:
        for _ in range(20):
            assert (await get("/k8s/clusters/edge/api/v1/namespaces")).status == 200

    api_server = urlsplit(kubernetes.servers[0])
    assert api_server.hostname is not None
    assert api_server.port is not None
    first = TestAgent(Address(api_server.hostname, api_server.port))
    with RecordingUpstream(tmp_path, "token") as other:
        foreign = [
            TestAgent(Address("127.0.0.1", other.port), replace(HELLO, pod=f"foreign-{number}"))
            for number in range(2)
        ]
        async with open_tunnel(target(behind), foreign[0]):
            await eventually_equal(trusted, {"foreign-0": "unverified"})
            await eventually(is_unreachable)  # when the gate has read the change
            async with open_tunnel(target(behind), first):
                await eventually(lambda: "leads to another cluster" in foreign[0].ended)
                await eventually_equal(trusted, {"agent-abc": "verified"})
                await requests_succeed()
                async with open_tunnel(target(behind), foreign[1]):
                    await eventually(lambda: "Another cluster?" in foreign[1].refused)
                    await eventually_equal(
                        trusted, {"agent-abc": "verified", "foreign-1": "refused"}
                    )
                    await requests_succeed()
                    await eventually_equal(agent_ready, ("AgentOfAnotherCluster", "True"))
                await eventually_equal(agent_ready, ("", "True"))
        assert other.recorded == []
        assert not any(other.received_bytes.values())


async def eventually_equal(read: Callable[[], Awaitable[object]], wanted: object) -> None:
    """Wait until ``read`` returns a value."""
    seen: list[object] = []

    async def is_equal() -> bool:
        seen.append(await read())
        return seen[-1] == wanted

    await eventually(is_equal, what=lambda: f"{wanted}, after {seen[-1:]}")
