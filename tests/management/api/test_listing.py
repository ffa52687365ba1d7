"""Lists: pages, order, filters, and streams of changes."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from management.api.listing import Listing, page, select
from management.http.problem import ApiProblem
from management.identity.users import new_user
from tests.management.api.conftest import HELD, Api
from tests.store.records import a_binding, a_cluster, let_in


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
def test_pages_contain_every_item_once_in_order(
    items: list[dict[str, Any]], limit: int, sort: str
) -> None:
    whole = select(LISTING, items, {"sort": sort})
    query, found = {"sort": sort, "limit": str(limit)}, []
    while True:
        response = page(LISTING, whole, query)
        found += response["items"]
        assert len(response["items"]) <= limit
        if "continue" not in response:
            break
        query["continue"] = response["continue"]
    assert found == whole


@given(ITEMS)
def test_filters_select_equal_values(items: list[dict[str, Any]]) -> None:
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
def test_invalid_list_parameters_are_rejected(query: dict[str, str]) -> None:
    with pytest.raises(ApiProblem) as caught:
        page(LISTING, [], query)
    assert caught.value.status == 422


async def test_users_are_listed_in_pages(api: Api) -> None:
    names, path = [], "/v1/users?limit=3&sort=username"
    more = ""
    while True:
        response = await api("admin", "GET", path + more)
        names += [one["username"] for one in response.body["items"]]
        if "continue" not in response.body:
            break
        more = f"&continue={response.body['continue']}"
    assert names == sorted(HELD)
    assert (await api("admin", "GET", "/v1/users?colour=red")).status == 422


@asynccontextmanager
async def stream(api: Api, who: str, path: str, bearer: str = "") -> AsyncIterator[Any]:
    """The events of a watched list."""
    bearer = bearer or await api.bearer(who)
    headers = {"Authorization": f"Bearer {bearer}"}
    async with api.client.get(path, headers=headers) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        yield _events(response)


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Any]]:
    kind = ""
    async for line in response.content:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, json.loads(value)


async def until(events: AsyncIterator[tuple[str, Any]], kind: str) -> Any:
    """Return the next event of that kind."""
    async with asyncio.timeout(60):
        async for found, data in events:
            if found == kind:
                return data
    raise AssertionError(f"the stream ended without {kind}")


async def test_stream_sends_the_items_and_their_changes(api: Api) -> None:
    async with stream(api, "admin", "/v1/clusters/prod/members?watch=1") as events:
        assert (await until(events, "synced"))["items"] == 3
        await api.store.bindings.create(a_binding("u-plain", "cluster-member"))
        added = await until(events, "added")
        assert (added["user"], added["role"]) == ("u-plain", "member")
        await api.store.users.update("u-plain", display_name="Renamed")
        assert (await until(events, "modified"))["display_name"] == "Renamed"
        await api.store.bindings.delete(added["id"])
        assert (await until(events, "deleted"))["user"] == "u-plain"


async def test_stream_shows_only_what_the_caller_may_see(api: Api) -> None:
    """An item that the caller may no longer see is sent as deleted, and the stream goes on."""
    async with stream(api, "p-member", "/v1/projects?watch=1") as events:
        assert (await until(events, "synced"))["items"] == 1
        await api.store.bindings.delete_of("p-shop", "u-p-member")
        assert (await until(events, "deleted"))["id"] == "p-shop"


async def test_stream_ends_when_the_permission_ends(api: Api) -> None:
    async with stream(api, "c-owner", "/v1/clusters/prod/members?watch=1") as events:
        await until(events, "synced")
        await api.store.bindings.delete_of("c-prod", "u-c-owner")
        assert "that you may enter" in (await until(events, "ended"))["reason"]


async def test_stream_ends_when_its_token_ends(api: Api) -> None:
    bearer = await api.bearer("admin")
    async with stream(api, "admin", "/v1/users?watch=1", bearer) as events:
        await until(events, "synced")
        await api.store.tokens.revoke(bearer.partition(":")[0])
        assert "revoked" in (await until(events, "ended"))["reason"]


async def test_pages_of_users_have_those_that_the_whole_list_has(api: Api) -> None:
    for number in range(40):
        user = new_user(f"{'Äö'[number % 2]}-{number:02}")
        labels = {"team": "shop"} if number % 3 == 0 else {}
        await api.store.users.create(replace(user, labels=labels))
    for query in ("sort=-created_at", "search=%C3%A4-0", "label=team%3Dshop", "enabled=x", ""):
        whole = (await api("admin", "GET", f"/v1/users?{query}")).body["items"]
        found, more = [], ""
        while more is not None:
            path = f"/v1/users?limit=4&{query}{more and f'&continue={more}'}"
            page = (await api("admin", "GET", path)).body
            found += page["items"]
            more = page.get("continue")
        assert found == whole, query
    assert (await api("admin", "GET", "/v1/users?search=%C3%A4-0&limit=9")).body["items"]


@pytest.mark.parametrize("who", ["admin", "c-owner"])
async def test_pages_of_clusters_have_those_that_the_whole_list_has(api: Api, who: str) -> None:
    for number in range(9):
        labels = {"team": "shop"} if number % 3 == 0 else {}
        cluster = replace(a_cluster(f"{'bZ'[number % 2]}-{number}"), labels=labels)
        await api.store.clusters.create(cluster)
        if number > 6:
            await let_in(api.store, cluster.id, "u-c-owner", "cluster-member")
    for query in (
        "",
        "sort=-created_at",
        "sort=-name",
        "label=team%3Dshop",
        "name=b-2",
        "search=Z",
    ):
        whole = (await api(who, "GET", f"/v1/clusters?{query}")).body["items"]
        found, more = [], ""
        while more is not None:
            path = f"/v1/clusters?limit=2&{query}{more and f'&continue={more}'}"
            page = (await api(who, "GET", path)).body
            found += page["items"]
            more = page.get("continue")
        assert found == whole, query


async def test_users_are_found_by_their_principal(api: Api) -> None:
    for query in ("principal=local%3A%2F%2Fu-plain", "principal=local%3A%2F%2Fu-plain&limit=5"):
        items = (await api("admin", "GET", f"/v1/users?{query}")).body["items"]
        assert [one["id"] for one in items] == ["u-plain"]
    assert (await api("admin", "GET", "/v1/users?principal=local%3A%2F%2F")).body["items"] == []


@pytest.mark.parametrize("value", ["", "yesterday", "2026-01-01", "0001-01-01T00:00:00+14:00"])
async def test_page_after_an_invalid_time_is_rejected_or_empty(api: Api, value: str) -> None:
    raw = json.dumps(["created_at", value, "u-plain"]).encode()
    token = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    path = f"/v1/users?limit=2&sort=created_at&continue={token}"
    assert (await api("admin", "GET", path)).status in {200, 422}


async def test_stream_of_tokens_shows_a_new_token_of_its_user_only(api: Api) -> None:
    async with stream(api, "admin", "/v1/tokens?watch=1&user=u-plain") as events:
        await until(events, "synced")
        await api.bearer("c-owner")
        bearer = await api.bearer("plain")
        assert (await until(events, "added"))["name"] == bearer.partition(":")[0]


async def test_stream_of_a_page_sends_the_page_when_it_differs(api: Api) -> None:
    path = "/v1/users?limit=2&sort=-username"
    async with stream(api, "admin", f"{path}&watch=1") as events:
        first = await until(events, "state")
        assert first == (await api("admin", "GET", path)).body
        assert (len(first["items"]), "continue" in first) == (2, True)
        await api.store.users.create(new_user("zoe"))
        assert (await until(events, "state"))["items"][0]["username"] == "zoe"


async def test_stream_of_a_page_without_a_limit_is_rejected(api: Api) -> None:
    assert (await api("admin", "GET", "/v1/users?watch=1&continue=x")).status == 422
    assert (await api("admin", "GET", "/v1/users?watch=1&limit=2&continue=x")).status == 422


@pytest.mark.parametrize(
    ("path", "users"),
    [("/v1/overview", lambda one: one["users"]["total"]), ("/v1/users/u-plain/access", len)],
)
async def test_stream_of_a_document_sends_it_when_it_differs(
    api: Api, path: str, users: Callable[[Any], int]
) -> None:
    async with stream(api, "admin", f"{path}?watch=1") as events:
        first = await until(events, "state")
        assert users(first) == users((await api("admin", "GET", path)).body)
        await api.store.users.create(new_user("zoe"))
        await api.store.bindings.create(a_binding("u-plain", "cluster-member"))
        changed = await until(events, "state")
        while changed == first:
            changed = await until(events, "state")


async def test_stream_of_a_document_ends_when_the_permission_ends(api: Api) -> None:
    bearer = await api.bearer("admin")
    async with stream(api, "admin", "/v1/overview?watch=1", bearer) as events:
        await until(events, "state")
        await api.store.tokens.revoke(bearer.partition(":")[0])
        assert "revoked" in (await until(events, "ended"))["reason"]


async def test_stream_of_what_a_user_may_do_in_a_cluster_is_rejected(api: Api) -> None:
    path = "/v1/users/u-plain/access?watch=1&cluster=prod"
    assert (await api("admin", "GET", path)).status == 422
