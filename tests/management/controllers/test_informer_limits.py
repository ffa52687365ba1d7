"""What an informer requests of a cluster: pages within the limits, at growing intervals."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from management.controllers.timing import InformerTiming
from management.kubernetes.client import ClusterClient
from management.kubernetes.connection import ClientLimits
from management.kubernetes.endpoint import ClusterCredential
from tests.management.conftest import Serve
from tests.management.controllers.things import PATH, Things, kept, names, thing
from tests.support.waiting import eventually

SLOW = InformerTiming(first_pause=0.1, last_pause=0.4)
"""Pauses of 0.1, 0.2 and then 0.4 seconds, of which half may be left out."""


async def test_event_over_the_limit_is_not_kept_in_memory(
    serve: Serve,
) -> None:
    things = Things()
    things.script = [[{"type": "ADDED", "object": thing("x" * 2_000_000, 2)}], []]
    async with kept(serve, things, [], ClientLimits(max_response_bytes=4096)) as informer:
        await eventually(lambda: informer.error is not None or len(things.watched_from) > 1)
        assert names(informer)() == {"a"}


async def test_watches_that_end_immediately_back_off(serve: Serve) -> None:
    """A cluster that ends each watch immediately caused 1,300 requests per second."""
    things = Things()
    things.script = [[] for _ in range(10_000)]
    async with kept(serve, things, [], timing=SLOW):
        assert await seconds_until(lambda: len(things.watched_from) >= 8) > 1.0
    assert things.lists == 1


@pytest.mark.parametrize("ending", [410, [{"type": "ERROR", "object": {"code": 410}}], 500, 401])
async def test_lists_after_failed_watches_back_off(serve: Serve, ending: Any) -> None:
    """A list that succeeds between two watches does not shorten the pause."""
    things = Things()
    things.script = [ending] * 10_000
    async with kept(serve, things, [], timing=SLOW):
        assert await seconds_until(lambda: things.lists >= 8) > 1.0


async def test_page_over_the_limit_is_requested_in_halves(
    serve: Serve,
) -> None:
    asked: list[int] = []

    async def large(request: web.BaseRequest) -> web.StreamResponse:
        if "watch" in request.query:
            await asyncio.sleep(3600)
        begin, limit = int(request.query.get("continue", 0)), int(request.query["limit"])
        asked.append(limit)
        items = [thing(f"n{n:03}", 1, text="x" * 1000) for n in range(100)]
        following = str(begin + limit) if begin + limit < len(items) else ""
        metadata = {"resourceVersion": "1", "continue": following}
        return web.json_response({"metadata": metadata, "items": items[begin : begin + limit]})

    async with (
        serve(large) as endpoint,
        ClusterClient(
            endpoint,
            ClusterCredential(token="t"),
            limits=ClientLimits(max_response_bytes=20_000),
        ) as client,
    ):
        items, _ = await client.list_all(PATH)
        assert len(items) == 100
        assert asked[:6] == [500, 250, 125, 62, 31, 15]
        assert client.faults.oversized == 5
        asked.clear()
        await client.list_all(PATH)
        assert set(asked) == {15}  # The page size that fits is remembered.


async def test_object_over_the_limit_is_an_error(
    serve: Serve,
) -> None:
    things = Things()
    things.items = [thing("a", 1, text="x" * 4000)]
    async with kept(serve, things, [], ClientLimits(max_response_bytes=2000)) as informer:
        await eventually(lambda: informer.error is not None)
        assert "one object is over" in (informer.error or "")
        assert not informer.synced.is_set()


async def seconds_until(condition: Callable[[], bool]) -> float:
    began = time.monotonic()
    await eventually(condition)
    return time.monotonic() - began
