"""A cluster that lets many lists wait for their next page keeps no parsed page in memory."""

import asyncio
import gc
from contextlib import AsyncExitStack, suppress
from typing import Any

from aiohttp import web

from management.controllers.informer import Collection, Informer
from management.kubernetes.client import ClusterClient
from management.kubernetes.endpoint import ClusterCredential
from management.kubernetes.manifests import Manifest
from tests.management.conftest import Serve
from tests.management.controllers.things import QUICK
from tests.support.scripted_gate import ALICE, scripted_gate
from tests.support.waiting import eventually

KINDS = 6
CLUSTERS = 2
PER_PAGE = 500
MARK = "test-of-pages"


def parsed() -> int:
    """Return how many objects of a page are in memory."""
    gc.collect()
    found = gc.get_objects()
    return sum(type(one) is dict and MARK in one for one in found)


class Stalling:
    """Sends a page to each list, and lets the requests for the next pages wait."""

    def __init__(self) -> None:
        self.waiting = 0
        self.released = asyncio.Event()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        kind = request.path.rpartition("/")[2]
        following = ""
        if "watch" in request.query:
            await asyncio.Event().wait()
        if "continue" in request.query:
            self.waiting += 1
            await self.released.wait()
        else:
            following = "more"
        begin = 0 if following else PER_PAGE
        items = [an_item(f"{kind}-{begin + one}") for one in range(PER_PAGE)]
        metadata = {"resourceVersion": "1", "continue": following}
        return web.json_response({"kind": "List", "items": items, "metadata": metadata})


def an_item(name: str) -> dict[str, Any]:
    inner = {MARK: {"nested": {"more": "x" * 50}}}
    return {"metadata": {"name": name, "uid": name, "resourceVersion": "1"}, "spec": inner}


def name_of(manifest: Manifest) -> str:
    return str(manifest["metadata"]["name"])


async def test_lists_of_all_kinds_and_clusters_that_wait_hold_no_page(serve: Serve) -> None:
    before = parsed()
    hostile = Stalling()
    async with AsyncExitStack() as stack:
        informers = []
        for _ in range(CLUSTERS):
            endpoint = await stack.enter_async_context(serve(hostile))
            credential = ClusterCredential(token="t")
            client = await stack.enter_async_context(ClusterClient(endpoint, credential))
            for kind in range(KINDS):
                collection = Collection(f"/api/v1/kind{kind}", projection=name_of)
                informers.append(Informer(client, collection, lambda: None, QUICK))
        tasks = [asyncio.create_task(one.run()) for one in informers]
        try:
            await eventually(lambda: hostile.waiting == len(informers))
            assert parsed() - before == 0
            hostile.released.set()
            await eventually(lambda: all(one.synced.is_set() for one in informers))
            assert {len(one.items) for one in informers} == {2 * PER_PAGE}
        finally:
            await ended(tasks)


async def test_list_of_a_caller_that_waits_holds_no_page() -> None:
    before = parsed()
    hostile = Stalling()
    async with scripted_gate(hostile) as (gate, _), gate.client("prod", ALICE) as client:

        async def read() -> int:
            count = 0
            async for page in client.pages("/api/v1/kind"):
                count += len(page.items)
                del page
            return count

        tasks = [asyncio.create_task(read()) for _ in range(KINDS)]
        try:
            await eventually(lambda: hostile.waiting == KINDS)
            assert parsed() - before == 0
            hostile.released.set()
            assert await asyncio.gather(*tasks) == [2 * PER_PAGE] * KINDS
        finally:
            await ended(tasks)


async def ended(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
