"""Reports of a cluster whose responses are too large, malformed or missing."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from management.controllers.report_observer import ReportObserver
from management.controllers.timing import StatusTiming
from management.kubernetes.client import ClusterClient
from management.kubernetes.connection import ClientLimits
from management.kubernetes.endpoint import ClusterCredential
from store.interfaces import Store
from store.records import Cluster
from tests.management.conftest import Serve
from tests.store.records import a_cluster
from tests.support.waiting import eventually

QUICK = StatusTiming(usage_seconds=0.05, deprecations_seconds=0.05, first_deprecations_seconds=0.0)
SERIES = (
    'apiserver_requested_deprecated_apis{group="",removed_release="1.37",resource="endpoints",'
    'subresource="",version="v1"} 1'
)
PODS = "/apis/metrics.k8s.io/v1beta1/pods"
NODES = "/apis/metrics.k8s.io/v1beta1/nodes"


class Responses:
    """An API server. ``bodies`` has the bodies of its responses by path; others are 404."""

    def __init__(self) -> None:
        self.bodies: dict[str, Any] = {NODES: {"items": []}, PODS: {"items": []}}
        self.metrics: list[bytes] = []
        self.endless = False
        self.sent = 0
        self.requests = Counter[str]()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests[request.path] += 1
        if request.path != "/metrics":
            found = self.bodies.get(request.path, 404)
            if isinstance(found, int):
                return web.json_response({"message": "no"}, status=found)
            return web.json_response(found)
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            for line in self.metrics:
                await response.write(line + b"\n")
                self.sent += len(line)
            if not self.endless or request.transport is None:
                return response
            await asyncio.sleep(0)  # A write to a connection that has ended may not wait.


@pytest.fixture
async def cluster(store: Store) -> Cluster:
    made = a_cluster()
    await store.clusters.create(made)
    return made


@asynccontextmanager
async def observed(
    serve: Serve, responses: Responses, store: Store, cluster: Cluster
) -> AsyncIterator[ReportObserver]:
    limits = ClientLimits(max_response_bytes=100_000)
    async with (
        serve(responses) as endpoint,
        ClusterClient(endpoint, ClusterCredential(token="t"), limits=limits) as client,
    ):
        observer = ReportObserver(
            store,
            replace(cluster, servers=endpoint.servers),
            client,
            events=lambda: None,
            is_leader=lambda: True,
            changed=lambda: None,
            turns=asyncio.Semaphore(1),
            timing=QUICK,
            max_metrics=1_000_000,
        )
        task = asyncio.create_task(observer.run())
        try:
            yield observer
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def reason(observer: ReportObserver, kind: str) -> str:
    """Return the reason of a condition; ``yes`` if it is true, and empty if it is unknown."""
    found = next((one for one in observer.conditions.shown() if one["type"] == kind), None)
    return "" if found is None else found["reason"] or "yes"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (401, "Unauthorized"),
        (403, "MissingRight"),
        (404, "NotInstalled"),
        (503, "NoResponse"),
        ({"items": 5}, "NoResponse"),
        ({"items": [], "filler": "x" * 200_000}, "TooLarge"),
    ],
)
async def test_usage_of_pods_that_cannot_be_read_leaves_that_of_nodes(
    serve: Serve, store: Store, cluster: Cluster, body: Any, expected: str
) -> None:
    responses = Responses()
    responses.bodies[PODS] = body
    async with observed(serve, responses, store, cluster) as observer:
        await eventually(lambda: reason(observer, "NamespaceUsageRead") == expected)
        before = responses.requests[NODES]
        await eventually(lambda: responses.requests[NODES] > before + 2)
        assert reason(observer, "NamespaceUsageRead") == expected
        assert reason(observer, "UsageRead") == "yes"
        assert observer.usage == {"cpu": "0", "memory": "0"}
        await eventually(lambda: store.fleet.report(cluster.id, "usage"))
    found = await store.fleet.report(cluster.id, "usage")
    assert found is not None
    assert (found.data["nodes"], found.data["namespaces"]) == ([], None)


async def test_metrics_behind_the_deprecated_apis_are_not_read(
    serve: Serve, store: Store, cluster: Cluster
) -> None:
    responses = Responses()
    responses.metrics = [SERIES.encode(), b"# HELP apiserver_storage_objects x", b"y" * 1000]
    responses.endless = True
    async with observed(serve, responses, store, cluster) as observer:
        await eventually(lambda: reason(observer, "DeprecatedApisRead") == "yes")
        assert observer.deprecated_apis("v1.36.3") == {"total": 1, "removed_next": 1}


@pytest.mark.parametrize("line", [b"x" * 70_000, b"apiserver_audit_event_total 1\n" * 1000])
async def test_metrics_without_an_end_are_too_large(
    serve: Serve, store: Store, cluster: Cluster, line: bytes
) -> None:
    responses = Responses()
    responses.metrics, responses.endless = [line], True
    async with observed(serve, responses, store, cluster) as observer:
        await eventually(lambda: reason(observer, "DeprecatedApisRead") == "TooLarge", 60)
        assert observer.deprecated_apis("v1.36.3") is None


async def test_deprecated_apis_survive_another_leader(
    serve: Serve, store: Store, cluster: Cluster
) -> None:
    responses = Responses()
    responses.metrics = [SERIES.encode()]
    async with observed(serve, responses, store, cluster):
        await eventually(lambda: store.fleet.report(cluster.id, "deprecations"))
    responses.metrics = []
    async with observed(serve, responses, store, cluster) as observer:
        await eventually(lambda: reason(observer, "DeprecatedApisRead") == "yes")
        assert observer.deprecated_apis("v1.35.0") == {"total": 1, "removed_next": 0}
