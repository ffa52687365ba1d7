"""Management of a real cluster through a tunnel: import, controllers, status, removal."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from management.clusters.service import ClusterService
from management.controllers.manager import ControllerManager
from management.controllers.timing import ControllerTiming, StatusTiming
from store.interfaces import Store
from store.records import Cluster
from tests.management.conftest import OwnCluster
from tests.support.agent_tunnels import AgentDialer, agents
from tests.support.waiting import eventually


@pytest.fixture
async def dialer(clean: OwnCluster, store: Store) -> AsyncIterator[AgentDialer]:
    port = urlsplit(clean.servers[0]).port
    assert port is not None
    async with agents(port) as dialer:
        store.clusters.use_dialers(lambda _: dialer)
        yield dialer


@pytest.fixture
async def cluster(clean: OwnCluster, store: Store, dialer: AgentDialer) -> AsyncIterator[Cluster]:
    """The cluster, imported through the tunnel and managed."""
    endpoint = replace(clean.endpoint, servers=("https://kubernetes.default.svc",), dialer=dialer)
    result = await ClusterService(store).import_cluster("prod", endpoint, clean.administrator)
    assert result.cluster is not None
    quick = StatusTiming(probe_seconds=0.1, write_seconds=0.1, first_deprecations_seconds=0.0)
    timing = ControllerTiming(status=quick)
    task = asyncio.create_task(ControllerManager(store, timing=timing).run())
    yield result.cluster
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def condition(store: Store, cluster: Cluster, kind: str) -> dict[str, Any]:
    found = (await store.fleet.statuses()).get(cluster.id)
    seen = found.data.get("conditions", []) if found is not None else []
    return next((dict(one) for one in seen if one["type"] == kind), {"status": "", "reason": ""})


async def test_controllers_and_status_work_through_the_tunnel(
    clean: OwnCluster, store: Store, dialer: AgentDialer, cluster: Cluster
) -> None:
    stored = await store.clusters.get(cluster.id)
    assert stored is not None
    assert stored.reach == "agent"
    for kind in ("Reachable", "Authenticated", "RBACReady", "CollectionsSynced"):

        async def is_true(kind: str = kind) -> bool:
            return bool((await condition(store, cluster, kind))["status"] == "True")

        await eventually(is_true)

    async def is_without_agent() -> bool:
        seen = await condition(store, cluster, "Reachable")
        return (seen["status"], seen["reason"]) == ("False", "NoAgent")

    async def is_reachable() -> bool:
        return bool((await condition(store, cluster, "Reachable"))["status"] == "True")

    await dialer.cut()
    await eventually(is_without_agent)
    await dialer.add_way()
    await eventually(is_reachable)
    assert clean.managed_objects()


async def test_reports_and_certificate_are_read_through_the_tunnel(
    store: Store, cluster: Cluster
) -> None:
    async def read() -> bool:
        found = await store.fleet.status(cluster.id)
        data = found.data if found is not None else {}
        held = {one["type"]: one["status"] for one in data.get("reports", [])}
        return bool(data.get("certificate")) and held.get("DeprecatedApisRead") == "True"

    await eventually(read)
    assert await store.fleet.report(cluster.id, "deprecations") is not None


async def test_cluster_is_removed_through_the_tunnel(
    clean: OwnCluster, store: Store, dialer: AgentDialer, cluster: Cluster
) -> None:
    dials = dialer.dials
    removed = await ClusterService(store).remove(cluster.id)
    assert removed.deleted
    assert dialer.dials > dials
    assert await store.clusters.get(cluster.id) is None
