"""An agent gets the image of this server's version, at a real API server with its controllers."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from management.clusters.agent_upgrade import PATH, Upgrade, upgrade_agent
from management.kubernetes.cluster_client import controller_client
from management.kubernetes.manifests import AGENT, AGENT_IMAGE_ANNOTATION
from tests.management.clusters.agent_world import AgentWorld
from tests.support.waiting import eventually

NEW = "registry.example/sekisho:9.9.9"
ROLE = f"/apis/rbac.authorization.k8s.io/v1/namespaces/sekisho-system/roles/{AGENT}"
PODS = "/api/v1/namespaces/sekisho-system/pods"


def image(deployment: dict[str, Any]) -> str:
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    found: str = container["image"]
    return found


async def upgraded(world: AgentWorld) -> Upgrade:
    cluster = await world.store.clusters.get("edge")
    assert cluster is not None
    async with controller_client(cluster) as client:
        return await upgrade_agent(client, NEW)


async def until(world: AgentWorld, state: Upgrade) -> None:
    """Repeat the upgrade until it returns a state, as the controller does."""

    async def is_reached() -> bool:
        # The Deployment's controller may have changed the object at the same time.
        return await upgraded(world) is state

    await eventually(is_reached)


@pytest.fixture
async def registered(world: AgentWorld) -> AsyncIterator[AgentWorld]:
    await world.registered()
    yield world
    for one in (PATH, PODS):
        world.cluster.ask("DELETE", one)


async def test_image_that_sekisho_wrote_is_replaced_and_nothing_else(
    registered: AgentWorld,
) -> None:
    before = registered.cluster.ask("GET", PATH)
    assert before["metadata"]["annotations"][AGENT_IMAGE_ANNOTATION] == image(before)
    await until(registered, Upgrade.RUNNING)
    after = registered.cluster.ask("GET", PATH)
    assert (image(after), after["metadata"]["annotations"][AGENT_IMAGE_ANNOTATION]) == (NEW, NEW)
    [container] = before["spec"]["template"]["spec"]["containers"]
    container["image"] = NEW
    assert after["spec"] == before["spec"]


async def test_image_of_the_operator_stays(world: AgentWorld) -> None:
    own = "registry.example/own:1"
    manifest = await world.register(image=own)
    world.apply(manifest)
    assert (await world.complete(manifest))[0] == 204
    assert await upgraded(world) is Upgrade.OWN_IMAGE
    assert image(world.cluster.ask("GET", PATH)) == own


async def test_image_that_the_operator_set_later_stays(registered: AgentWorld) -> None:
    deployment = registered.cluster.ask("GET", PATH)
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example/own:2"
    del deployment["metadata"]["resourceVersion"]
    registered.cluster.ask("PUT", PATH, deployment)
    assert await upgraded(registered) is Upgrade.OWN_IMAGE
    assert image(registered.cluster.ask("GET", PATH)) == "registry.example/own:2"


async def test_manifest_without_the_right_to_read_is_reported(registered: AgentWorld) -> None:
    role = registered.cluster.ask("GET", ROLE)
    for rule in role["rules"]:
        rule["verbs"] = [one for one in rule["verbs"] if one != "get"]
    registered.cluster.ask("PUT", ROLE, role)
    await until(registered, Upgrade.FORBIDDEN)


async def test_deployment_that_was_deleted_is_reported(registered: AgentWorld) -> None:
    registered.cluster.ask("DELETE", PATH)
    assert await upgraded(registered) is Upgrade.NO_DEPLOYMENT
    registered.apply(await registered.register("again"))  # the fixture deletes it


async def test_old_pods_stay_until_a_new_one_is_connected(registered: AgentWorld) -> None:
    """The Deployment's controller is real; the pods' readiness is written as kubelets do."""

    def pods() -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for pod in registered.cluster.ask("GET", PODS)["items"]:
            [container] = pod["spec"]["containers"]
            if container["name"] == "agent" and not pod["metadata"].get("deletionTimestamp"):
                found.setdefault(container["image"], []).append(pod["metadata"]["name"])
        return found

    old = image(registered.cluster.ask("GET", PATH))
    await eventually(lambda: len(pods().get(old, [])) == 2)
    for name in pods()[old]:
        become_ready(registered, name)
    await until(registered, Upgrade.RUNNING)
    await eventually(lambda: len(pods().get(NEW, [])) == 1)
    assert len(pods()[old]) == 2
    assert await upgraded(registered) is Upgrade.RUNNING
    become_ready(registered, pods()[NEW][0])
    # One after the other: the second new pod is created when an old one is deleted.
    await eventually(lambda: len(pods().get(NEW, [])) == 2)
    assert len(pods().get(old, [])) == 1
    become_ready(registered, next(one for one in pods()[NEW] if not is_ready(registered, one)))
    await eventually(lambda: old not in pods())
    await until(registered, Upgrade.SAME_IMAGE)


def is_ready(world: AgentWorld, name: str) -> bool:
    status = world.cluster.ask("GET", f"{PODS}/{name}")["status"]
    return any(one["type"] == "Ready" for one in status.get("conditions", []))


def become_ready(world: AgentWorld, name: str) -> None:
    """Write the status of a pod whose agent is connected."""
    pod = world.cluster.ask("GET", f"{PODS}/{name}")
    since = "2020-01-01T00:00:00Z"
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": since}
    pod["status"] = {"phase": "Running", "conditions": [ready]}
    world.cluster.ask("PUT", f"{PODS}/{name}/status", pod)
