"""The observed status of a real cluster: health, nodes, warnings."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from management.clusters.service import ClusterService
from management.controllers.manager import ControllerManager
from management.controllers.timing import ControllerTiming, StatusTiming
from proxy.demo.local_cluster import RequestError
from store.interfaces import Store
from store.records import Cluster
from tests.management.clusters.unreachable import UNREACHABLE
from tests.management.conftest import OwnCluster
from tests.support.waiting import eventually


@pytest.fixture
async def cluster(clean: OwnCluster, store: Store) -> AsyncIterator[Cluster]:
    """The cluster, imported and managed, with frequent status updates."""
    result = await ClusterService(store).import_cluster("prod", clean.endpoint, clean.administrator)
    assert result.cluster is not None
    timing = ControllerTiming(status=StatusTiming(probe_seconds=0.1, write_seconds=0.1))
    task = asyncio.create_task(ControllerManager(store, timing=timing).run())
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


async def test_healthy_cluster_has_true_conditions(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    for kind in ("Reachable", "Authenticated", "RBACReady"):
        await eventually(partial(_is, store, cluster, kind, "True"))
    seen = await status(store, cluster)
    assert seen["version"] == kubernetes.version
    assert seen["last_seen_at"] is not None


async def test_unreachable_cluster_has_a_false_condition_with_its_time(
    store: Store, cluster: Cluster
) -> None:
    await eventually(lambda: _is(store, cluster, "Reachable", "True"))
    await store.clusters.replace(replace(cluster, servers=(UNREACHABLE,)))
    await eventually(lambda: _is(store, cluster, "Reachable", "False"))
    [away] = [
        one for one in (await status(store, cluster))["conditions"] if one["type"] == "Reachable"
    ]
    assert UNREACHABLE in away["message"]
    await store.clusters.replace(cluster)
    await eventually(lambda: _is(store, cluster, "Reachable", "True"))


async def test_rejected_token_and_outage_are_different_conditions(
    store: Store, cluster: Cluster
) -> None:
    await store.clusters.replace(replace(cluster, controller_token="nonsense"))
    await eventually(lambda: _is(store, cluster, "Authenticated", "False"))
    assert await condition(store, cluster, "Reachable") == "True"
    await eventually(lambda: _is(store, cluster, "RBACReady", "False"))


async def test_nodes_that_appear_change_and_leave_are_stored(
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
    await eventually(lambda: _node(store, uid))
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
    await eventually(lambda: _node(store, uid, ready=True))
    await eventually(lambda: _totals(store, cluster, ready=1))
    seen = await status(store, cluster)
    assert seen["provider"] == "aws"
    assert seen["nodes"]["capacity"] == {"cpu": "4", "memory": "8Gi", "pods": "110"}
    assert seen["nodes"]["allocatable"]["cpu"] == "3500m"
    kubernetes.ask("DELETE", f"/api/v1/nodes/{name}")
    await eventually(lambda: _node(store, uid, left=True))
    again = kubernetes.ask("POST", "/api/v1/nodes", node)["metadata"]["uid"]
    await eventually(lambda: _node(store, again))
    nodes = await store.fleet.nodes([cluster.id])
    assert [(one.uid == again, one.left_at is None) for one in nodes if one.name == name].count(
        (True, True)
    ) == 1
    kubernetes.ask("DELETE", f"/api/v1/nodes/{name}")


async def test_warning_events_are_summarized(
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

    async def reported() -> bool:
        seen = (await status(store, cluster)).get("warnings") or {}
        return "ImagePullFailed" in seen.get("by_reason", {})

    await eventually(reported)
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
