"""The replica that leads a cluster upgrades its agent, at a real API server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import pytest
import yaml

from management.clusters.agent_manifest import AgentOptions, agent
from management.clusters.agent_upgrade import PATH
from management.clusters.registration_manifest import as_yaml
from management.controllers.agent_upgrader import AgentUpgrader
from management.controllers.agents import Agents
from management.controllers.timing import AgentTiming
from management.kubernetes.client import ClusterClient
from management.kubernetes.manifests import NAMESPACE, collection_path
from management.tunnels.connected_agents import ConnectedAgent
from tests.management.conftest import OwnCluster
from tests.store.records import a_cluster
from tests.support.waiting import eventually

OLD, NEW = "registry.example/sekisho:1.4.0", "registry.example/sekisho:1.5.0"
QUICK = AgentTiming(spread_seconds=0, check_seconds=0.05)


@asynccontextmanager
async def upgrading(clean: OwnCluster, version: str) -> AsyncIterator[AgentUpgrader]:
    """Upgrade the agent of a cluster whose connected agents have a version."""
    connected = [ConnectedAgent("agent-1", "node-1", version, datetime.now(UTC))]
    agents = Agents(lambda _: connected, NEW, "1.5.0")
    async with ClusterClient(clean.endpoint, clean.administrator) as client:
        upgrader = AgentUpgrader(
            a_cluster("edge", reach="agent"),
            client,
            agents,
            is_leader=lambda: True,
            timing=QUICK,
        )
        task = asyncio.create_task(upgrader.run())
        try:
            yield upgrader
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.fixture
def deployed(clean: OwnCluster) -> Iterator[OwnCluster]:
    """The cluster with the Deployment of an agent. Its objects outlive their namespace."""
    options = AgentOptions(OLD, replicas=1, upgrades=True)
    documents = agent(external_url="https://s", ca_pem=None, token="t", options=options)
    [deployment] = [
        one for one in yaml.safe_load_all(as_yaml(documents)) if one["kind"] == "Deployment"
    ]
    clean.ask("POST", collection_path("Namespace"), {"metadata": {"name": NAMESPACE}})
    clean.ask("POST", collection_path("Deployment", NAMESPACE), deployment)
    yield clean
    clean.ask("DELETE", PATH)


def image(clean: OwnCluster) -> str:
    [container] = clean.ask("GET", PATH)["spec"]["template"]["spec"]["containers"]
    found: str = container["image"]
    return found


async def test_older_agent_gets_the_image_of_this_version(deployed: OwnCluster) -> None:
    async with upgrading(deployed, "1.4.0") as upgrader:
        assert upgrader.problem is not None
        assert "Sekisho replaces its image" in upgrader.problem[1]
        await eventually(lambda: image(deployed) == NEW)
        await eventually(lambda: "being replaced" in (upgrader.problem or ("", ""))[1])


async def test_newer_agent_is_left_alone(deployed: OwnCluster) -> None:
    """During a rolling upgrade of the server, replicas of two versions lead clusters."""
    before = deployed.ask("GET", PATH)["metadata"]["generation"]
    async with upgrading(deployed, "1.6.0") as upgrader:
        assert upgrader.problem is None
        began = asyncio.get_running_loop().time()
        await eventually(lambda: asyncio.get_running_loop().time() - began > 1)
        assert image(deployed) == OLD
        assert deployed.ask("GET", PATH)["metadata"]["generation"] == before
