"""Metrics of what the controllers observe in clusters."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from management.controllers.manager import ControllerManager
from management.controllers.timing import ControllerTiming, StatusTiming
from proxy.monitoring.cluster_collector import cluster_metrics
from store.interfaces import Store
from tests.management import conftest
from tests.management.conftest import Serve
from tests.store.records import a_cluster
from tests.support.waiting import eventually

authority = conftest.authority
server_tls = conftest.server_tls
serve = conftest.serve
store = conftest.store

QUICK = StatusTiming(
    probe_seconds=0.05,
    write_seconds=0.05,
    usage_seconds=0.05,
    deprecations_seconds=0.05,
    first_deprecations_seconds=0.0,
)
NODE = {
    "metadata": {"name": "n1", "uid": "u1"},
    "status": {
        "allocatable": {"cpu": "4", "memory": "8Gi"},
        "conditions": [{"type": "Ready", "status": "True"}],
    },
}
USED = {"metadata": {"name": "n1"}, "usage": {"cpu": "500m", "memory": "1Gi"}}
SERIES = 'apiserver_requested_deprecated_apis{version="v1",resource="a",removed_release="1.37"} 1\n'
EXPIRY = "sekisho_cluster_credential_expiry_timestamp_seconds"
BODIES = {
    "/version": {"gitVersion": "v1.36.3"},
    "/api/v1/nodes": {"items": [NODE], "metadata": {"resourceVersion": "1"}},
    "/api/v1/events": {"items": [], "metadata": {"resourceVersion": "1"}},
    "/apis/metrics.k8s.io/v1beta1/nodes": {"items": [USED]},
}


async def cluster_api(request: web.BaseRequest) -> web.StreamResponse:
    if request.path == "/metrics":
        return web.Response(text=SERIES)
    if "watch" in request.query:
        await asyncio.get_running_loop().create_future()
    found = BODIES.get(request.path)
    return web.json_response(found or {"message": "no"}, status=200 if found else 404)


class Observed(Collector):
    def __init__(self, manager: ControllerManager) -> None:
        self._manager = manager

    def collect(self):  # type: ignore[no-untyped-def]
        return cluster_metrics(self._manager.clusters.values())


@pytest.fixture
async def metrics(serve: Serve, store: Store) -> AsyncIterator[CollectorRegistry]:
    """The metrics of a replica that leads the cluster ``prod``."""
    async with serve(cluster_api) as endpoint:
        ends_at = datetime.now(UTC) + timedelta(days=30)
        await store.clusters.create(
            a_cluster(
                servers=endpoint.servers,
                ca_pem=endpoint.ca_pem,
                controller_token="t",
                tokens_expire_at=ends_at,
            )
        )
        manager = ControllerManager(store, timing=ControllerTiming(status=QUICK))
        task = asyncio.create_task(manager.run())
        registry = CollectorRegistry()
        registry.register(Observed(manager))
        yield registry
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_state_of_a_cluster_is_measured_with_labels_of_sekisho(
    metrics: CollectorRegistry,
) -> None:
    wanted = {
        'sekisho_cluster_info{cluster="prod",version="v1.36.3"} 1.0',
        'sekisho_cluster_nodes{cluster="prod",ready="true"} 1.0',
        'sekisho_cluster_nodes{cluster="prod",ready="false"} 0.0',
        'sekisho_cluster_used_cpu_cores{cluster="prod"} 0.5',
        'sekisho_cluster_used_memory_bytes{cluster="prod"} 1.073741824e+09',
        'sekisho_cluster_allocatable_cpu_cores{cluster="prod"} 4.0',
        'sekisho_cluster_warnings{cluster="prod"} 0.0',
        'sekisho_cluster_deprecated_apis{cluster="prod",removed_next="true"} 1.0',
        'sekisho_cluster_condition{cluster="prod",condition="CredentialReadable"} 1.0',
        'sekisho_cluster_condition{cluster="prod",condition="Reachable"} 1.0',
        'sekisho_cluster_condition{cluster="prod",condition="RBACReady"} 0.0',
        'sekisho_cluster_report_up{cluster="prod",report="UsageRead"} 1.0',
        'sekisho_cluster_report_up{cluster="prod",report="NamespaceUsageRead"} 0.0',
    }

    def missing() -> set[str]:
        return wanted - set(generate_latest(metrics).decode().splitlines())

    await eventually(lambda: not missing(), 60, lambda: f"{missing()}")
    text = generate_latest(metrics).decode()
    for kind in ("api_server_certificate", "cluster_certificate", "cluster_token"):
        assert f'{EXPIRY}{{cluster="prod",kind="{kind}"}}' in text
    assert "n1" not in text


def test_replica_without_clusters_has_no_series() -> None:
    assert all(not family.samples for family in cluster_metrics([]))
