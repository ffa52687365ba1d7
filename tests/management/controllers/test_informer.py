"""An informer keeps a collection in memory when its watch ends or fails."""

import asyncio
from typing import Any

import pytest

from management.controllers.informer import Collection, Informer
from management.controllers.timing import InformerTiming
from management.kubernetes.client import ClusterClient
from management.kubernetes.endpoint import ClusterCredential
from tests.management.conftest import Serve
from tests.management.controllers.things import PATH, Things, kept, names, thing
from tests.support.waiting import eventually


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
