"""Hostile clusters that send lists without an end, beside a real one that needs little memory."""

import asyncio
import json
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from aiohttp import web
from structlog.testing import capture_logs

from management.clusters.service import ClusterService
from management.controllers.manager import ControllerManager
from management.controllers.timing import ControllerTiming, StatusTiming
from management.kubernetes.endpoint import ClusterEndpoint
from management.kubernetes.manifests import collection_path
from management.kubernetes.process_memory import ProcessMemory
from store.interfaces import Store
from store.records import Cluster, CredentialSource
from tests.management.conftest import OwnCluster, Serve
from tests.management.controllers.real_cluster import find_object, running_manager, sync
from tests.store.records import a_cluster
from tests.support.addresses import LOOPBACK
from tests.support.waiting import eventually

MiB = 1024 * 1024
TOTAL = 16 * MiB
ENDLESS, LARGE = 4, 4
ROLES = collection_path("ClusterRole")
OBJECTS, OBJECT_BYTES = 100, 2000
TIMING = ControllerTiming(
    status=StatusTiming(write_seconds=0.1),
    first_without_memory=3600.0,
    last_without_memory=3600.0,
)


class Watched(ProcessMemory):
    """Remembers the most that was in use, apart from what clusters that were dropped still held."""

    most = 0

    def count(self, change: int, *, is_ending: bool) -> None:
        super().count(change, is_ending=is_ending)
        self.most = max(self.most, self.taken - self._ending)


class Large:
    """Sends so many pages of each collection; with ``only``, of that collection alone."""

    def __init__(self, pages: int, only: str | None = None) -> None:
        self._pages = pages
        self._only = only
        items = [_item(f"@page@-{number}") for number in range(OBJECTS)]
        body = {"metadata": {"resourceVersion": "1", "continue": "@next@"}, "items": items}
        self._page = json.dumps(body).encode()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if "watch" in request.query:
            await asyncio.Event().wait()
        if request.path == "/version":
            return web.json_response({"gitVersion": "v1.36.3"})
        if "limit" not in request.query:
            return web.json_response({"message": "no"}, status=404)
        if self._only not in (None, request.path):
            return web.json_response({"metadata": {"resourceVersion": "1"}, "items": []})
        page = int(request.query.get("continue") or 0)
        following = str(page + 1) if page + 1 < self._pages else ""
        body = self._page.replace(b"@page@", b"p%d" % page)
        body = body.replace(b"@next@", following.encode())
        return web.Response(body=body, content_type="application/json")


def _item(name: str) -> dict[str, Any]:
    metadata = {"name": name, "uid": name, "resourceVersion": "1"}
    return {"metadata": metadata, "rules": [], "data": {"x": "x" * OBJECT_BYTES}}


async def stored(store: Store, endpoint: ClusterEndpoint, name: str) -> Cluster:
    cluster = a_cluster(
        name,
        servers=endpoint.servers,
        ca_pem=endpoint.ca_pem,
        credential_source=CredentialSource.STATIC,
        tokens_expire_at=None,
        trusted_addresses=LOOPBACK,
    )
    await store.clusters.create(cluster)
    return cluster


async def condition(store: Store, cluster: Cluster) -> dict[str, Any]:
    found = await store.fleet.status(cluster.id)
    every = found.data["conditions"] if found is not None else []
    return next((one for one in every if one["type"] == "CollectionsSynced"), {})


async def without_memory(store: Store, cluster: Cluster) -> bool:
    return (await condition(store, cluster)).get("reason") == "MemoryExhausted"


def is_in_sync(manager: ControllerManager, cluster: Cluster) -> bool:
    managed = manager.clusters.get(cluster.id)
    reconciler = managed.reconciler if managed is not None else None
    return reconciler is not None and reconciler.synced.is_set()


async def test_hostile_clusters_take_bounded_memory_and_a_good_one_stays_in_sync(
    store: Store, serve: Serve, clean: OwnCluster
) -> None:
    memory = Watched(TOTAL)
    async with AsyncExitStack() as stack:
        hostile = []
        for number in range(ENDLESS + LARGE):
            pages = 10**6 if number < ENDLESS else 5
            endpoint = await stack.enter_async_context(serve(Large(pages)))
            hostile.append(await stored(store, endpoint, f"hostile-{number}"))
        manager = await stack.enter_async_context(
            running_manager(store, memory=memory, timing=TIMING)
        )
        await eventually(lambda: memory.refused > 0, 60, "the memory to be exhausted")
        imported = await ClusterService(store).import_cluster(
            "good", clean.endpoint, clean.administrator
        )
        good = imported.cluster
        assert good is not None
        await eventually(lambda: is_in_sync(manager, good), 60, "the good cluster")
        await eventually(lambda: _any_without_memory(store, hostile), 60, "a condition")
        policy = f"{collection_path('ValidatingAdmissionPolicy')}/sekisho-project-labels"
        clean.ask("DELETE", policy)
        repaired = sync(lambda: find_object(clean, policy) is not None)
        await eventually(repaired, 60, "the repair of the good cluster")
        assert not await without_memory(store, good)
        # What a reconciler has written itself is counted later, without a check.
        assert 0 < memory.most <= TOTAL + MiB


async def _any_without_memory(store: Store, clusters: list[Cluster]) -> bool:
    return any([await without_memory(store, one) for one in clusters])


async def test_largest_cluster_is_dropped_when_others_need_their_shares(
    store: Store, serve: Serve
) -> None:
    page = OBJECTS * (OBJECT_BYTES + 900)  # Less than it takes. With 1.4 times as much, all holds.
    memory = Watched(10 * page)
    async with AsyncExitStack() as stack:
        endpoint = await stack.enter_async_context(serve(Large(5, ROLES)))
        largest = await stored(store, endpoint, "largest")
        manager = await stack.enter_async_context(
            running_manager(store, memory=memory, timing=TIMING)
        )

        async def settled(cluster: Cluster) -> bool:
            return (await condition(store, cluster)).get("status") == "True"

        await eventually(lambda: settled(largest), 60, "the first cluster")
        assert manager.memory.dropped == 0
        with capture_logs() as logged:
            others = []
            for number in range(6):  # Each needs less than its share, which is a seventh.
                endpoint = await stack.enter_async_context(serve(Large(1, ROLES)))
                others.append(await stored(store, endpoint, f"other-{number}"))
            await eventually(lambda: without_memory(store, largest), 60, "the drop")
            for one in others:
                await eventually(partial(settled, one), 60, one.name)
        about = [one for one in logged if one["event"].startswith("objects of a cluster dropped")]
        assert [one["cluster"] for one in about] == ["largest"]
        assert "controllers.memory" in (await condition(store, largest))["message"]
        assert memory.most <= 10 * page
