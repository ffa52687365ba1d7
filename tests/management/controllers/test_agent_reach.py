"""Management of a real cluster through a tunnel: import, controllers, status, removal."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from management.clusters.service import ClusterService
from management.controllers.manager import ControllerManager
from management.controllers.timing import (
    ControllerTiming,
    InformerTiming,
    ReconcilerTiming,
    StatusTiming,
)
from store.agent_records import Replica, Tunnel
from store.interfaces import Store
from store.records import Cluster
from tests.management.conftest import OwnCluster
from tests.support.agent_tunnels import AgentDialer, agents
from tests.support.waiting import eventually

HOUR = 3600.0


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
    async with running(ControllerManager(store, timing=timing)):
        yield result.cluster


@asynccontextmanager
async def running(manager: ControllerManager) -> AsyncIterator[None]:
    """Run the controllers of a replica."""
    task = asyncio.create_task(manager.run())
    yield
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


async def test_announced_tunnel_ends_the_pauses_of_failed_controllers(
    clean: OwnCluster, store: Store, dialer: AgentDialer
) -> None:
    endpoint = replace(clean.endpoint, servers=("https://kubernetes.default.svc",), dialer=dialer)
    result = await ClusterService(store).import_cluster("prod", endpoint, clean.administrator)
    assert result.cluster is not None
    cluster_id = result.cluster.id
    slow = ReconcilerTiming(informer=InformerTiming(first_pause=HOUR, last_pause=HOUR))
    timing = ControllerTiming(reconciler=slow, status=StatusTiming(probe_seconds=HOUR))
    manager = ControllerManager(store, timing=timing)

    def failures() -> list[str]:
        reconciler = manager.clusters[cluster_id].reconciler
        return [one.error for one in reconciler.collections if one.error] if reconciler else []

    def is_synced() -> bool:
        managed = manager.clusters.get(cluster_id)
        return bool(managed and managed.reconciler and managed.reconciler.synced.is_set())

    async with running(manager):
        await eventually(is_synced)
        await dialer.cut()
        await eventually(failures)
        await dialer.add_way()
        assert failures()
        await store.tunnels.register_replica(
            Replica("r-1", "machine-1"),
            timedelta(seconds=60),
            [Tunnel("t-1", cluster_id, "r-1", "pod", "node", "1.0.0", datetime.now(UTC))],
        )
        await eventually(lambda: not failures())


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
