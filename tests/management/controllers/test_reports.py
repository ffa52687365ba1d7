"""What the controllers read in a real cluster beside its status: its reports."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from management.clusters.service import ClusterService
from management.controllers.manager import ControllerManager
from management.controllers.timing import ControllerTiming, StatusTiming
from management.kubernetes.manifests import CONTROLLER, collection_path
from proxy.demo.fake_kubelet import NODE, FakeKubelet
from proxy.demo.local_cluster import RequestError
from store.interfaces import Store
from store.records import Cluster, ReportKind
from tests.management.conftest import OwnCluster
from tests.support.metrics_server import MetricsServer
from tests.support.waiting import eventually

QUICK = StatusTiming(
    probe_seconds=0.1,
    write_seconds=0.1,
    usage_seconds=0.5,
    events_seconds=0.2,
    deprecations_seconds=0.5,
    first_deprecations_seconds=0.0,
)


@pytest.fixture(scope="module")
def metrics_server(
    kubernetes: OwnCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """A node with a pod in the namespace ``default``, and metrics-server."""
    folder = tmp_path_factory.mktemp("metrics")
    kubelet, server = FakeKubelet(kubernetes, folder), MetricsServer(kubernetes, folder)
    with suppress(RequestError):
        kubernetes.ask("DELETE", f"/api/v1/nodes/{NODE}")
    try:
        kubernetes.call(kubelet.start())
        kubernetes.call(kubelet.run_pod("used"))
        kubernetes.call(server.start())
        yield
    finally:
        kubernetes.call(server.stop())
        kubernetes.ask("DELETE", "/api/v1/namespaces/default/pods/used")
        kubernetes.ask("DELETE", f"/api/v1/nodes/{NODE}")
        kubernetes.call(kubelet.stop())


@pytest.fixture
async def cluster(clean: OwnCluster, store: Store) -> AsyncIterator[Cluster]:
    """The cluster, imported and managed, with frequent reports and normal events."""
    result = await ClusterService(store).import_cluster("prod", clean.endpoint, clean.administrator)
    assert result.cluster is not None
    timing = ControllerTiming(status=QUICK)
    manager = ControllerManager(store, timing=timing, normal_events=True)
    task = asyncio.create_task(manager.run())
    yield result.cluster
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def report(store: Store, cluster: Cluster, kind: ReportKind) -> dict[str, Any]:
    found = await store.fleet.report(cluster.id, kind)
    return dict(found.data) if found is not None else {}


async def status(store: Store, cluster: Cluster) -> dict[str, Any]:
    found = await store.fleet.status(cluster.id)
    return dict(found.data) if found is not None else {}


async def condition(store: Store, cluster: Cluster, kind: str) -> dict[str, Any]:
    found = (await status(store, cluster)).get("reports", [])
    return next((one for one in found if one["type"] == kind), {})


async def test_cluster_without_metrics_server_has_no_usage_and_is_healthy(
    store: Store, cluster: Cluster
) -> None:
    """First: the program stays until the end of the module."""

    async def missing() -> bool:
        return (await condition(store, cluster, "UsageRead")).get("reason") == "NotInstalled"

    async def healthy() -> bool:
        found = (await status(store, cluster)).get("conditions", [])
        return {one["status"] for one in found} == {"True"}

    await eventually(missing)
    await eventually(healthy)
    assert (await status(store, cluster))["usage"] is None


async def test_usage_of_nodes_and_namespaces_is_read_from_metrics_server(
    kubernetes: OwnCluster, store: Store, metrics_server: None, cluster: Cluster
) -> None:
    async def used() -> bool:
        found = await report(store, cluster, "usage")
        return bool(found.get("nodes") and found.get("namespaces"))

    await eventually(used, 60)
    found = await report(store, cluster, "usage")
    [node] = found["nodes"]
    assert (node["name"], node["memory"]) == (NODE, "512Mi")
    assert 200 <= int(node["cpu"].removesuffix("m")) <= 300
    [namespace] = found["namespaces"]
    assert (namespace["name"], namespace["pods"], namespace["memory"]) == ("default", 1, "32Mi")
    assert 40 <= int(namespace["cpu"].removesuffix("m")) <= 60
    await eventually(lambda: _total_is_known(store, cluster))
    assert (await condition(store, cluster, "NamespaceUsageRead"))["status"] == "True"


async def _total_is_known(store: Store, cluster: Cluster) -> bool:
    return bool(((await status(store, cluster)).get("usage") or {}).get("memory") == "512Mi")


@pytest.mark.parametrize("number", [0, 1])
async def test_deprecated_api_that_one_of_two_servers_counts_is_reported(
    kubernetes: OwnCluster, store: Store, cluster: Cluster, number: int
) -> None:
    path = ("/apis/networking.k8s.io/v1beta1/ipaddresses", "/api/v1/endpoints")[number]
    kubernetes.call(kubernetes.request("GET", path, number=number))
    resource = path.rpartition("/")[2]

    async def reported() -> dict[str, Any] | None:
        found = (await report(store, cluster, "deprecations")).get("apis", [])
        return next((one for one in found if one["resource"] == resource), None)

    await eventually(reported)
    api = await reported()
    assert api is not None
    assert api["removed_release"] == ("1.37", "")[number]

    async def counted() -> bool:
        return bool(((await status(store, cluster)).get("deprecated_apis") or {}).get("total"))

    await eventually(counted)


async def test_right_that_an_earlier_import_did_not_give_is_named(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    path = f"{collection_path('ClusterRole')}/{CONTROLLER}"
    role = kubernetes.ask("GET", path)
    kept = [one for one in role["rules"] if "nonResourceURLs" not in one]
    kubernetes.ask("PUT", path, {**role, "rules": kept})

    async def missing() -> bool:
        found = await condition(store, cluster, "DeprecatedApisRead")
        return found.get("reason") == "MissingRight"

    await eventually(missing)
    message = (await condition(store, cluster, "DeprecatedApisRead"))["message"]
    assert message.startswith("Sekisho may not get on the URL /metrics: import the cluster again")


async def test_newest_events_are_reported_with_those_that_are_no_warnings(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    # Newer than the events of other tests, of which only the newest are reported.
    now = datetime.now(UTC).replace(microsecond=0)
    for kind, reason in (("Warning", "ReportedWarning"), ("Normal", "ReportedNormal")):
        event = {
            "metadata": {"generateName": "reported-", "namespace": "default"},
            "type": kind,
            "reason": reason,
            "message": "about a pod",
            "involvedObject": {"kind": "Pod", "namespace": "default", "name": "web"},
            "lastTimestamp": now.astimezone(timezone(timedelta(hours=2))).isoformat(),
        }
        kubernetes.ask("POST", "/api/v1/namespaces/default/events", event)

    async def reported() -> bool:
        found = (await report(store, cluster, "events")).get("events", [])
        return {"ReportedWarning", "ReportedNormal"} <= {one["reason"] for one in found}

    await eventually(reported)
    found = (await report(store, cluster, "events"))["events"]
    [normal] = [one for one in found if one["reason"] == "ReportedNormal"]
    assert normal["last_at"] == now.isoformat(timespec="microseconds")
    assert normal["id"].startswith("default/reported-")


async def test_certificate_of_the_api_servers_is_seen_on_connections(
    kubernetes: OwnCluster, store: Store, cluster: Cluster
) -> None:
    async def seen() -> bool:
        return bool((await status(store, cluster)).get("certificate"))

    await eventually(seen)
    certificate = (await status(store, cluster))["certificate"]
    left = datetime.fromisoformat(certificate["ends_at"]) - datetime.now(UTC)
    assert timedelta(days=28) < left <= timedelta(days=30)
