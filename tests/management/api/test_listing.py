"""Lists: pages, order, filters, and streams of what changes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from management.api.listing import Listing, page, select
from management.problems import Problem
from tests.management.api.conftest import HELD, Api
from tests.store.records import a_binding


async def collect(request: object) -> list[dict[str, Any]]:
    return []


LISTING = Listing(collect, sorts=("name", "age"), filters=("colour", "big"), searched=("name",))

ITEMS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.uuids().map(str),
            "name": st.sampled_from(["a", "b", "B", "ä", ""]),
            "age": st.integers(0, 3),
            "colour": st.sampled_from(["red", None]),
            "big": st.booleans(),
        }
    ),
    max_size=12,
    unique_by=lambda one: one["id"],
)


@given(ITEMS, st.integers(1, 5), st.sampled_from(["name", "-name", "age", "-age"]))
def test_pages_hold_everything_once_and_in_order(
    items: list[dict[str, Any]], limit: int, sort: str
) -> None:
    whole = select(LISTING, items, {"sort": sort})
    query, found = {"sort": sort, "limit": str(limit)}, []
    while True:
        answer = page(LISTING, whole, query)
        found += answer["items"]
        assert len(answer["items"]) <= limit
        if "continue" not in answer:
            break
        query["continue"] = answer["continue"]
    assert found == whole


@given(ITEMS)
def test_filters_let_through_what_is_equal(items: list[dict[str, Any]]) -> None:
    red = select(LISTING, items, {"colour": "red", "big": "true"})
    assert {one["id"] for one in red} == {
        one["id"] for one in items if one["colour"] == "red" and one["big"]
    }
    assert len(select(LISTING, items, {"search": "B"})) == sum(
        one["name"].casefold() == "b" for one in items
    )


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "-1"},
        {"limit": "1001"},
        {"limit": "٣"},
        {"limit": "9" * 5000},
        {"sort": "secret"},
        {"sort": "--name"},
        {"continue": "x"},
        {"continue": "bnVsbA"},
        {"continue": "W10"},
        {"continue": "é"},
        {"continue": "WyItbmFtZSIsImEiLCJiIl0"},
    ],
)
def test_what_makes_no_sense_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(Problem) as caught:
        page(LISTING, [], query)
    assert caught.value.status == 422


async def test_users_come_in_pages(api: Api) -> None:
    names, path = [], "/v1/users?limit=3&sort=username"
    more = ""
    while True:
        answer = await api("admin", "GET", path + more)
        names += [one["username"] for one in answer.body["items"]]
        if "continue" not in answer.body:
            break
        more = f"&continue={answer.body['continue']}"
    assert names == sorted(HELD)
    assert (await api("admin", "GET", "/v1/users?colour=red")).status == 422


@asynccontextmanager
async def stream(api: Api, who: str, path: str, bearer: str = "") -> AsyncIterator[Any]:
    """The events of a list that goes on."""
    bearer = bearer or await api.bearer(who)
    headers = {"Authorization": f"Bearer {bearer}"}
    async with api.client.get(path, headers=headers) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        yield _events(answer)


async def _events(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Any]]:
    kind = ""
    async for line in answer.content:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, json.loads(value)


async def until(events: AsyncIterator[tuple[str, Any]], kind: str) -> Any:
    """The next event of that kind."""
    async with asyncio.timeout(10):
        async for found, data in events:
            if found == kind:
                return data
    raise AssertionError(f"the stream ended without {kind}")


async def test_a_stream_tells_what_is_there_and_what_changes(api: Api) -> None:
    async with stream(api, "admin", "/v1/clusters/prod/members?watch=1") as events:
        assert (await until(events, "synced"))["items"] == 3
        await api.store.bindings.create(a_binding("u-nobody", "cluster-member"))
        added = await until(events, "added")
        assert (added["user"], added["role"]) == ("u-nobody", "member")
        await api.store.users.update("u-nobody", display_name="Somebody")
        assert (await until(events, "modified"))["display_name"] == "Somebody"
        await api.store.bindings.delete(added["id"])
        assert (await until(events, "deleted"))["user"] == "u-nobody"


async def test_a_stream_shows_what_one_may_see_and_no_more(api: Api) -> None:
    """What stops being one's own to see is told as gone, and the stream goes on."""
    async with stream(api, "p-member", "/v1/projects?watch=1") as events:
        assert (await until(events, "synced"))["items"] == 1
        await api.store.bindings.delete_of("p-shop", "u-p-member")
        assert (await until(events, "deleted"))["id"] == "p-shop"


async def test_a_stream_ends_with_the_right_to_it(api: Api) -> None:
    async with stream(api, "c-owner", "/v1/clusters/prod/members?watch=1") as events:
        await until(events, "synced")
        await api.store.bindings.delete_of("c-prod", "u-c-owner")
        assert "no access" in (await until(events, "ended"))["reason"]


async def test_a_stream_ends_with_its_token(api: Api) -> None:
    bearer = await api.bearer("admin")
    async with stream(api, "admin", "/v1/users?watch=1", bearer) as events:
        await until(events, "synced")
        await api.store.tokens.revoke(bearer.partition(":")[0])
        assert "revoked" in (await until(events, "ended"))["reason"]


async def test_a_stream_has_no_pages(api: Api) -> None:
    assert (await api("admin", "GET", "/v1/users?watch=1&limit=3")).status == 422
