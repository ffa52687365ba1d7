"""What is seen of a real cluster: health, nodes that come and go, warnings."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from management.clusters import ClusterService
from management.controllers.manager import ControllerManager
from management.fleet import observer as observer_module
from proxy.demo.downstream import RequestError
from store.interfaces import Cluster, Store
from tests.management.clusters.conftest import OwnCluster
from tests.management.clusters.test_import import NOBODY
from tests.parts.waiting import soon


@pytest.fixture
async def cluster(
    clean: OwnCluster, store: Store, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Cluster]:
    """The cluster, imported and looked after; what is seen is written down often."""
    for name in ("PROBE_SECONDS", "WRITE_SECONDS"):
        monkeypatch.setattr(observer_module, name, 0.1)
    result = await ClusterService(store).import_cluster("prod", clean.endpoint, clean.administrator)
    assert result.cluster is not None
    task = asyncio.create_task(ControllerManager(store).run())
    yield result.cluster
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def status(store: Store, cluster: Cluster) -> dict[str, Any]:
    found = (await store.fleet.statuses()).get(cluster.id)
    return dict(found.data) if found is not None else {}


async def condition(store: Store, cluster: Cluster, kind: str) -> str | None:
    seen = (await status(store, cluster)).get("conditions", [])
    return next((one["status"] for one in seen if one["type"] == kind), None)


async def test_a_cluster_that_is_well_is_seen_to_be(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    for kind in ("Reachable", "Authenticated", "RBACReady"):
        await soon(partial(_is, store, cluster, kind, "True"))
    seen = await status(store, cluster)
    assert seen["version"] == kubernetes.version
    assert seen["last_seen_at"] is not None


async def test_a_cluster_that_is_away_is_seen_to_be_and_since_when(
    store: Store, cluster: Cluster
) -> None:
    await soon(lambda: _is(store, cluster, "Reachable", "True"))
    await store.clusters.replace(replace(cluster, servers=(NOBODY,)))
    await soon(lambda: _is(store, cluster, "Reachable", "False"))
    [away] = [
        one for one in (await status(store, cluster))["conditions"] if one["type"] == "Reachable"
    ]
    assert NOBODY in away["message"]
    await store.clusters.replace(cluster)
    await soon(lambda: _is(store, cluster, "Reachable", "True"))


async def test_a_token_that_is_accepted_no_more_is_told_from_a_cluster_that_is_away(
    store: Store, cluster: Cluster
) -> None:
    await store.clusters.replace(replace(cluster, controller_token="nonsense"))
    await soon(lambda: _is(store, cluster, "Authenticated", "False"))
    assert await condition(store, cluster, "Reachable") == "True"
    await soon(lambda: _is(store, cluster, "RBACReady", "False"))


async def test_nodes_come_change_and_leave(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    name = "worker-1"
    with suppress(RequestError):
        kubernetes.ask("DELETE", f"/api/v1/nodes/{name}")
    node = {
        "metadata": {"name": name, "labels": {"node-role.kubernetes.io/worker": ""}},
        "spec": {"providerID": "aws:///eu-1/i-1"},
    }
    uid = kubernetes.ask("POST", "/api/v1/nodes", node)["metadata"]["uid"]
    await soon(lambda: _node(store, uid))
    kubernetes.ask(
        "PATCH",
        f"/api/v1/nodes/{name}/status",
        {
            "status": {
                "capacity": {"cpu": "4", "memory": "8Gi", "pods": "110"},
                "allocatable": {"cpu": "3500m", "memory": "7Gi", "pods": "110"},
                "conditions": [{"type": "Ready", "status": "True"}],
            }
        },
    )
    await soon(lambda: _node(store, uid, ready=True))
    await soon(lambda: _totals(store, cluster, ready=1))
    seen = await status(store, cluster)
    assert seen["provider"] == "aws"
    assert seen["nodes"]["capacity"] == {"cpu": "4", "memory": "8Gi", "pods": "110"}
    assert seen["nodes"]["allocatable"]["cpu"] == "3500m"
    kubernetes.ask("DELETE", f"/api/v1/nodes/{name}")
    await soon(lambda: _node(store, uid, left=True))
    again = kubernetes.ask("POST", "/api/v1/nodes", node)["metadata"]["uid"]
    await soon(lambda: _node(store, again))
    nodes = await store.fleet.nodes([cluster.id])
    assert [(one.uid == again, one.left_at is None) for one in nodes if one.name == name].count(
        (True, True)
    ) == 1
    kubernetes.ask("DELETE", f"/api/v1/nodes/{name}")


async def test_warnings_are_summed_up(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    event = {
        "metadata": {"generateName": "pull-", "namespace": "default"},
        "type": "Warning",
        "reason": "ImagePullFailed",
        "message": "no such image " + "x" * 500,
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "web"},
        "count": 7,
        "lastTimestamp": "2026-11-23T12:00:00Z",
    }
    kubernetes.ask("POST", "/api/v1/namespaces/default/events", event)
    normal = {**event, "type": "Normal", "reason": "Pulled"}
    kubernetes.ask("POST", "/api/v1/namespaces/default/events", normal)

    async def told() -> bool:
        seen = (await status(store, cluster)).get("warnings") or {}
        return "ImagePullFailed" in seen.get("by_reason", {})

    await soon(told)
    seen = (await status(store, cluster))["warnings"]
    assert "Pulled" not in seen["by_reason"]
    assert seen["by_reason"]["ImagePullFailed"] >= 7
    assert max(len(one["message"]) for one in seen["latest"]) <= 200


async def _is(store: Store, cluster: Cluster, kind: str, value: str) -> bool:
    return await condition(store, cluster, kind) == value


async def _node(store: Store, uid: str, *, ready: bool | None = None, left: bool = False) -> bool:
    for one in await store.fleet.nodes():
        if one.uid == uid and (one.left_at is not None) is left:
            return ready is None or one.data["ready"] is ready
    return False


async def _totals(store: Store, cluster: Cluster, *, ready: int) -> bool:
    nodes = (await status(store, cluster)).get("nodes") or {}
    return bool(nodes.get("ready") == ready)
