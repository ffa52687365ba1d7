"""A collection kept in memory, whatever becomes of the watch on it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp import web

from management.controllers import informer as module
from management.controllers.informer import Collection, Informer
from management.downstream import client as client_module
from management.downstream.client import ClusterClient
from management.downstream.endpoint import Credential
from tests.management.clusters.conftest import Handler, Serve
from tests.parts.waiting import soon

PATH = "/api/v1/things"


def thing(name: str, version: int, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": str(version), "labels": labels}}


class Things:
    """An API server with one collection. ``script`` says what each watch answers, in order."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = [thing("a", 1)]
        self.version = 1
        self.script: list[list[dict[str, Any]] | int] = []
        self.lists = 0
        self.watched_from: list[str] = []
        self.status = 200
        self.meanwhile: list[dict[str, Any]] | None = None
        """What there is as soon as the first watch is asked for."""

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if self.status != 200:
            return web.json_response({"message": "not now"}, status=self.status)
        if "watch" not in request.query:
            return self._list(request)
        self.watched_from.append(request.query["resourceVersion"])
        told = self.script.pop(0) if self.script else []
        if self.meanwhile is not None:
            self.items, self.version, self.meanwhile = self.meanwhile, 9, None
        if isinstance(told, int):
            return web.json_response({"message": "too old"}, status=told)
        response = web.StreamResponse()
        await response.prepare(request)
        for event in told:
            await response.write(json.dumps(event).encode() + b"\n")
        # The last one lasts until its client goes.
        while not self.script and request.transport is not None:
            await asyncio.sleep(0.02)
        return response

    def _list(self, request: web.BaseRequest) -> web.Response:
        """In pages of one."""
        self.lists += 1
        start = int(request.query.get("continue") or 0)
        metadata = {"resourceVersion": str(self.version)}
        if start + 1 < len(self.items):
            metadata["continue"] = str(start + 1)
        return web.json_response({"items": self.items[start : start + 1], "metadata": metadata})


@asynccontextmanager
async def kept(serve: Serve, handler: Handler, told: list[int]) -> AsyncIterator[Informer]:
    async with (
        serve(handler) as endpoint,
        ClusterClient(endpoint, Credential(token="t")) as client,
    ):
        informer = Informer(client, Collection(PATH), lambda: told.append(1))
        task = asyncio.create_task(informer.run())
        try:
            yield informer
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)


def names(informer: Informer) -> Callable[[], set[str]]:
    return lambda: {name for _, name in informer.items}


async def test_everything_is_listed_in_pages_and_followed(serve: Serve) -> None:
    things, told = Things(), list[int]()
    things.items = [thing(name, 1) for name in "abc"]
    things.script = [
        [
            {"type": "ADDED", "object": thing("d", 2)},
            {"type": "MODIFIED", "object": thing("a", 3, new="label")},
            {"type": "DELETED", "object": thing("b", 4)},
        ]
    ]
    async with kept(serve, things, told) as informer:
        await soon(lambda: names(informer)() == {"a", "c", "d"})
        assert informer.items["", "a"]["metadata"]["labels"] == {"new": "label"}
        assert (things.lists, len(told)) == (3, 4)


async def test_a_watch_that_ends_goes_on_where_it_was(serve: Serve) -> None:
    things = Things()
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "77"}}}
    things.script = [[bookmark], [{"type": "ADDED", "object": thing("b", 78)}]]
    async with kept(serve, things, []) as informer:
        await soon(lambda: names(informer)() == {"a", "b"})
    assert things.watched_from == ["1", "77"]
    assert things.lists == 1


@pytest.mark.parametrize(
    "ending",
    [
        410,
        [{"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}],
    ],
)
async def test_what_was_missed_is_listed(serve: Serve, ending: Any) -> None:
    """410 Gone, as an answer or as an event: the server has forgotten where the watch was."""
    things, told = Things(), list[int]()
    things.script = [ending, []]
    things.meanwhile = [thing("b", 9)]
    async with kept(serve, things, told) as informer:
        await soon(lambda: things.watched_from == ["1", "9"])
        assert names(informer)() == {"b"}
        assert len(told) == 2


async def test_a_server_that_is_away_is_asked_again_and_what_is_known_stays(
    serve: Serve,
) -> None:
    things = Things()
    things.script = [500, 500, []]
    async with kept(serve, things, []) as informer:
        await soon(lambda: len(things.watched_from) >= 3)
        assert names(informer)() == {"a"}
        things.status = 503
        assert informer.synced.is_set()


async def test_an_api_that_is_not_there_is_known_to_be_absent(serve: Serve) -> None:
    things = Things()
    things.status = 404
    async with kept(serve, things, []) as informer:
        await soon(informer.synced.is_set)
        assert informer.absent
        assert informer.items == {}


async def test_a_credential_that_is_refused_is_told_and_nothing_is_synced(serve: Serve) -> None:
    things = Things()
    things.status = 403
    async with kept(serve, things, []) as informer:
        await soon(lambda: informer.error is not None)
        assert "403" in (informer.error or "")
        assert not informer.synced.is_set()


async def test_an_event_that_never_ends_is_not_kept_in_memory(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "MAX_ANSWER_BYTES", 4096)
    things = Things()
    things.script = [[{"type": "ADDED", "object": thing("x" * 2_000_000, 2)}], []]
    async with kept(serve, things, []) as informer:
        await soon(lambda: informer.error is not None or len(things.watched_from) > 1)
        assert names(informer)() == {"a"}


async def test_a_cluster_that_is_back_is_followed_at_once_by_all_who_wait(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand clusters that are away mustn't be asked by every watch of each: one asks."""
    monkeypatch.setattr(module, "FIRST_PAUSE", 3600.0)
    things = Things()
    things.status = 503
    async with (
        serve(things) as endpoint,
        ClusterClient(endpoint, Credential(token="t")) as client,
        asyncio.TaskGroup() as group,
    ):
        informers = [Informer(client, Collection(PATH), lambda: None) for _ in range(5)]
        tasks = [group.create_task(one.run()) for one in informers]
        await soon(lambda: all(one.error for one in informers))
        things.status = 200
        await client.get(PATH)
        await soon(lambda: all(one.synced.is_set() for one in informers))
        for task in tasks:
            task.cancel()
