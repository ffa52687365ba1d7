"""An informer keeps a collection in memory when its watch ends, fails or is malformed."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp import web

from management.controllers.informer import Collection, Informer
from management.controllers.timing import InformerTiming
from management.kubernetes.client import ClusterClient
from management.kubernetes.connection import ClientLimits
from management.kubernetes.endpoint import ClusterCredential
from tests.management.conftest import Handler, Serve
from tests.support.waiting import eventually

PATH = "/api/v1/things"


def thing(name: str, version: int, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": str(version), "labels": labels}}


class Things:
    """An API server with one collection. ``script`` has the response of each watch, in order."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = [thing("a", 1)]
        self.version = 1
        self.script: list[list[dict[str, Any]] | int] = []
        self.lists = 0
        self.watched_from: list[str] = []
        self.status = 200
        self.meanwhile: list[dict[str, Any]] | None = None
        """The items after the first watch request."""

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if self.status != 200:
            return web.json_response({"message": "not now"}, status=self.status)
        if "watch" not in request.query:
            return self._list(request)
        self.watched_from.append(request.query["resourceVersion"])
        events = self.script.pop(0) if self.script else []
        if self.meanwhile is not None:
            self.items, self.version, self.meanwhile = self.meanwhile, 9, None
        if isinstance(events, int):
            return web.json_response({"message": "too old"}, status=events)
        response = web.StreamResponse()
        await response.prepare(request)
        for event in events:
            await response.write(json.dumps(event).encode() + b"\n")
        # The last watch lasts until its client disconnects.
        while not self.script and request.transport is not None:
            await asyncio.sleep(0.02)
        return response

    def _list(self, request: web.BaseRequest) -> web.Response:
        """Return a page with one item."""
        self.lists += 1
        start = int(request.query.get("continue") or 0)
        metadata = {"resourceVersion": str(self.version)}
        if start + 1 < len(self.items):
            metadata["continue"] = str(start + 1)
        return web.json_response({"items": self.items[start : start + 1], "metadata": metadata})


@asynccontextmanager
async def kept(
    serve: Serve,
    handler: Handler,
    changes: list[int],
    limits: ClientLimits | None = None,
    timing: InformerTiming | None = None,
) -> AsyncIterator[Informer]:
    async with (
        serve(handler) as endpoint,
        ClusterClient(endpoint, ClusterCredential(token="t"), limits=limits) as client,
    ):
        informer = Informer(client, Collection(PATH), lambda: changes.append(1), timing or QUICK)
        task = asyncio.create_task(informer.run())
        try:
            yield informer
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


QUICK = InformerTiming(first_pause=0.01)

SLOW = InformerTiming(first_pause=0.1, last_pause=0.4)
"""Pauses of 0.1, 0.2 and then 0.4 seconds, of which half may be left out."""


def names(informer: Informer) -> Callable[[], set[str]]:
    return lambda: {name for _, name in informer.items}


async def test_collection_is_listed_in_pages_and_watched(serve: Serve) -> None:
    things, changes = Things(), list[int]()
    things.items = [thing(name, 1) for name in "abc"]
    things.script = [
        [
            {"type": "ADDED", "object": thing("d", 2)},
            {"type": "MODIFIED", "object": thing("a", 3, new="label")},
            {"type": "DELETED", "object": thing("b", 4)},
        ]
    ]
    async with kept(serve, things, changes) as informer:
        await eventually(lambda: names(informer)() == {"a", "c", "d"})
        assert informer.items["", "a"]["metadata"]["labels"] == {"new": "label"}
        assert (things.lists, len(changes)) == (3, 4)


async def test_ended_watch_continues_from_its_last_version(serve: Serve) -> None:
    things = Things()
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "77"}}}
    things.script = [[bookmark], [{"type": "ADDED", "object": thing("b", 78)}]]
    async with kept(serve, things, []) as informer:
        await eventually(lambda: names(informer)() == {"a", "b"})
    assert things.watched_from == ["1", "77"]
    assert things.lists == 1


@pytest.mark.parametrize(
    "ending",
    [
        410,
        [{"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}],
    ],
)
async def test_expired_watch_is_followed_by_a_list(serve: Serve, ending: Any) -> None:
    """410 Gone, as a response or as an event: the resource version is too old."""
    things, changes = Things(), list[int]()
    things.script = [ending, []]
    things.meanwhile = [thing("b", 9)]
    async with kept(serve, things, changes) as informer:
        await eventually(lambda: things.watched_from == ["1", "9"])
        assert names(informer)() == {"b"}
        assert len(changes) == 2


async def test_failed_watch_is_retried_and_keeps_the_known_objects(
    serve: Serve,
) -> None:
    things = Things()
    things.script = [500, 500, []]
    async with kept(serve, things, []) as informer:
        await eventually(lambda: len(things.watched_from) >= 3)
        assert names(informer)() == {"a"}
        things.status = 503
        assert informer.synced.is_set()


async def test_api_that_does_not_exist_is_absent(serve: Serve) -> None:
    things = Things()
    things.status = 404
    async with kept(serve, things, []) as informer:
        await eventually(informer.synced.is_set)
        assert informer.absent
        assert informer.items == {}


async def test_rejected_credential_is_an_error_and_not_synced(serve: Serve) -> None:
    things = Things()
    things.status = 403
    async with kept(serve, things, []) as informer:
        await eventually(lambda: informer.error is not None)
        assert "403" in (informer.error or "")
        assert not informer.synced.is_set()


async def test_event_over_the_limit_is_not_kept_in_memory(
    serve: Serve,
) -> None:
    things = Things()
    things.script = [[{"type": "ADDED", "object": thing("x" * 2_000_000, 2)}], []]
    async with kept(serve, things, [], ClientLimits(max_response_bytes=4096)) as informer:
        await eventually(lambda: informer.error is not None or len(things.watched_from) > 1)
        assert names(informer)() == {"a"}


async def test_informers_of_a_recovered_cluster_continue_immediately(
    serve: Serve,
) -> None:
    """Of the watches of an unreachable cluster, one at a time sends a request."""
    timing = InformerTiming(first_pause=3600.0)
    things = Things()
    things.status = 503
    async with (
        serve(things) as endpoint,
        ClusterClient(endpoint, ClusterCredential(token="t")) as client,
        asyncio.TaskGroup() as group,
    ):
        informers = [Informer(client, Collection(PATH), lambda: None, timing) for _ in range(5)]
        tasks = [group.create_task(one.run()) for one in informers]
        await eventually(lambda: all(one.error for one in informers))
        things.status = 200
        await client.get(PATH)
        await eventually(lambda: all(one.synced.is_set() for one in informers))
        for task in tasks:
            task.cancel()


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


async def test_collection_is_listed_again_periodically(serve: Serve) -> None:
    """Changes that a watch missed are known after the next list."""
    timing = InformerTiming(first_pause=0.01, relist_seconds=0.0)
    things = Things()
    things.script = [[] for _ in range(50)]
    things.meanwhile = [thing("b", 9)]
    async with kept(serve, things, [], timing=timing) as informer:
        await eventually(lambda: things.lists >= 2)
        await eventually(lambda: names(informer)() == {"b"})


MALFORMED: list[Any] = [
    None,
    7,
    "text",
    [],
    {},
    {"metadata": None},
    {"metadata": []},
    {"metadata": {}},
    {"metadata": {"name": None}},
    {"metadata": {"name": 7}},
    {"metadata": {"name": "../x"}},
    {"metadata": {"name": "x", "labels": ["a"]}},
    {"metadata": {"name": "x", "labels": {"a": 1}}},
    {"metadata": {"name": "x", "namespace": {}}},
    {"metadata": {"name": "x", "uid": 1}},
    {"metadata": {"name": "x", "resourceVersion": 5}},
    {"metadata": {"name": "x", "creationTimestamp": "yesterday"}},
    {"metadata": {"name": "x", "ownerReferences": [1]}},
    {"metadata": {"name": "x"}, "status": "Ready"},
]


async def test_malformed_objects_of_a_list_are_left_out_and_counted(serve: Serve) -> None:
    things = Things()
    things.items = [*MALFORMED, thing("a", 1)]
    async with kept(serve, things, []) as informer:
        await eventually(informer.synced.is_set)
        assert names(informer)() == {"a"}
        assert informer.malformed == len(MALFORMED)
        assert informer.error is None


KINDS: list[Any] = ["OTHER", 7, None, ["ADDED"], {}]


async def test_malformed_events_of_a_watch_are_skipped(serve: Serve) -> None:
    events: list[Any] = [{"type": "ADDED", "object": item} for item in MALFORMED]
    events += [{"type": kind, "object": thing("x", 1)} for kind in KINDS]
    events += [7, [], "x", None]
    things = Things()
    things.script = [[*events, {"type": "ADDED", "object": thing("b", 2)}], []]
    async with kept(serve, things, []) as informer:
        await eventually(lambda: names(informer)() == {"a", "b"})
        assert things.lists == 1


@pytest.mark.parametrize("status", [None, "x", [], {"code": "410"}, {"code": []}, {"code": -1}])
async def test_error_event_of_any_shape_is_an_error(serve: Serve, status: Any) -> None:
    things = Things()
    things.script = [[{"type": "ERROR", "object": status}], []]
    async with kept(serve, things, []) as informer:
        await eventually(lambda: len(things.watched_from) >= 2)
        assert names(informer)() == {"a"}


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
