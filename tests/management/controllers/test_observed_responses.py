"""The condition of a cluster whose collections can't be listed, or are malformed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import web

from management.controllers.cluster_status import ClusterStatusObserver
from management.controllers.timing import InformerTiming, StatusTiming
from management.kubernetes.client import ClusterClient
from management.kubernetes.connection import ClientLimits
from management.kubernetes.endpoint import ClusterCredential, ClusterEndpoint
from store.interfaces import Store
from tests.management.conftest import Serve
from tests.store.records import a_cluster
from tests.support.waiting import eventually

CLUSTER = a_cluster()


class Cluster:
    """An API server with ``nodes``, listed in pages."""

    def __init__(self, *nodes: Any) -> None:
        self.nodes = list(nodes)
        self.status = 200

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/version":
            return web.json_response({"gitVersion": "v1.36.3"})
        if "watch" in request.query:
            await asyncio.sleep(3600)
        if request.path != "/api/v1/nodes":
            return web.json_response({"items": [], "metadata": {"resourceVersion": "1"}})
        if self.status != 200:
            return web.json_response({"message": "no"}, status=self.status)
        begin, limit = int(request.query.get("continue", 0)), int(request.query["limit"])
        following = str(begin + limit) if begin + limit < len(self.nodes) else ""
        metadata = {"resourceVersion": "1", "continue": following}
        some = self.nodes[begin : begin + limit]
        return web.json_response({"items": some, "metadata": metadata})


def node(name: str, size: int = 0) -> dict[str, Any]:
    metadata = {"name": name, "uid": name, "annotations": {"a": "x" * size}}
    return {"metadata": metadata, "status": {"capacity": {"cpu": "1"}}}


QUICK = StatusTiming(
    probe_seconds=0.1,
    write_seconds=0.05,
    informer=InformerTiming(first_pause=0.05, last_pause=0.2),
)


@asynccontextmanager
async def observed(
    store: Store, endpoint: ClusterEndpoint, limits: ClientLimits | None = None
) -> AsyncIterator[ClusterClient]:
    await store.clusters.create(CLUSTER)
    async with ClusterClient(endpoint, ClusterCredential(token="t"), limits=limits) as client:
        observer = ClusterStatusObserver(
            store,
            CLUSTER,
            client,
            rbac_error=lambda: None,
            is_leader=lambda: True,
            full=True,
            timing=QUICK,
        )
        task = asyncio.create_task(observer.run())
        try:
            yield client
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def condition(store: Store) -> dict[str, Any]:
    found = await store.fleet.status(CLUSTER.id)
    every = found.data["conditions"] if found is not None else []
    return next((one for one in every if one["type"] == "CollectionsSynced"), {})


async def test_failed_collection_is_named_until_it_is_listed(store: Store, serve: Serve) -> None:
    cluster = Cluster(node("a"))
    cluster.status = 500
    async with serve(cluster) as endpoint, observed(store, endpoint) as client:

        async def failed() -> bool:
            message = str((await condition(store)).get("message", ""))
            return message.startswith("/api/v1/nodes: http")

        await eventually(failed)
        assert (await condition(store))["reason"] == "NotListed"
        assert client.faults.failed >= 1
        cluster.status = 200

        async def well() -> bool:
            return (await condition(store)).get("status") == "True"

        await eventually(well)


async def test_malformed_nodes_are_counted_and_the_others_are_kept(
    store: Store, serve: Serve
) -> None:
    cluster = Cluster(node("a"), None, {"metadata": {"name": "no-uid"}}, {"metadata": 7}, node("b"))
    async with serve(cluster) as endpoint, observed(store, endpoint):

        async def reported() -> bool:
            return (await condition(store)).get("reason") == "MalformedObjects"

        await eventually(reported)
        assert "3 objects" in (await condition(store))["message"]
        nodes = await store.fleet.nodes([CLUSTER.id])
        assert {one.name for one in nodes} == {"a", "b"}


async def test_many_large_nodes_are_listed_in_smaller_pages(store: Store, serve: Serve) -> None:
    """530 nodes of 35 KB exceed one response, which once stopped the observation silently."""
    limits = ClientLimits(max_response_bytes=1024 * 1024)
    cluster = Cluster(*(node(f"n{n:03}", 35_000) for n in range(530)))
    async with serve(cluster) as endpoint, observed(store, endpoint, limits) as client:

        async def all_there() -> bool:
            return len(await store.fleet.nodes([CLUSTER.id])) == 530

        async def synced() -> bool:
            return (await condition(store)).get("status") == "True"

        await eventually(all_there, 60)
        assert client.faults.oversized >= 1
        await eventually(synced)
