"""Searching the audit log over the API: scopes, filters, pages and streams."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from store.access_records import ProjectNamespace, Role
from store.audit_records import AuditEvent
from store.interfaces import Store
from tests.management.api.conftest import HELD, Api
from tests.store.records import NOW, a_binding
from tests.store.test_audit_events import an_event


def of(user: str, number: int, **values: Any) -> AuditEvent:
    fields: dict[str, Any] = {
        "user_id": f"u-{user}" if user else "",
        "username": user,
        "cluster_id": "",
        "cluster": "",
        "namespace": "",
        "request_id": f"r-{number}",
    }
    return an_event(number, **(fields | values))


PROD = {"cluster_id": "c-prod", "cluster": "prod"}
OTHER = {"cluster_id": "c-other", "cluster": "other"}


@pytest.fixture(autouse=True)
async def events(store: Store) -> None:
    await store.projects.put_namespace(ProjectNamespace("c-prod", "shop", "uid", "p-shop"))
    await store.audit.append(
        [
            of("", 1, sign_in=True),
            of("plain", 2),
            of("x", 3, **PROD),
            of("x", 4, **PROD, namespace="shop"),
            of("x", 5, **OTHER),
            of("p-reader", 6, **OTHER),
        ]
    )


async def ids(api: Api, who: str, query: str = "") -> list[int]:
    response = await api(who, "GET", f"/v1/audit?{query}")
    assert response.status == 200, response.body
    return [int(one["request_id"].removeprefix("r-")) for one in response.body["items"]]


SEEN = {
    "plain": [2],
    "standard": [],
    "restricted": [6, 5, 4, 3, 2, 1],
    "admin": [6, 5, 4, 3, 2, 1],
    "auditor": [6, 5, 4, 3, 2, 1],
    "c-owner": [4, 3],
    "c-member": [],
    "c-reader": [],
    "p-owner": [4],
    "p-member": [],
    "p-reader": [6],
}


@pytest.mark.parametrize("who", HELD)
async def test_caller_sees_own_events_and_those_of_what_the_caller_owns(api: Api, who: str) -> None:
    assert await ids(api, who) == SEEN[who]


@pytest.mark.parametrize("who", ["standard", "c-owner", "p-owner"])
async def test_filters_show_no_more_than_the_scope(api: Api, who: str) -> None:
    for query in ("user=x", "cluster=other", "cluster=c-other", "outcome=refused", "verb=delete"):
        assert set(await ids(api, who, query)) <= set(SEEN[who])
    assert await ids(api, who, "request_id=r-1") == []


async def test_permission_for_all_projects_of_a_cluster_shows_their_events_only(
    api: Api, store: Store
) -> None:
    role = Role("r-projects", "cluster", "projects", permissions=("cluster.projects",))
    await store.roles.create(replace(role, created_at=NOW))
    await store.bindings.create(a_binding("u-standard", "r-projects", "c-prod"))
    assert await ids(api, "standard") == [4]


async def test_permission_for_every_cluster_shows_the_events_of_clusters(
    api: Api, store: Store
) -> None:
    role = Role("r-clusters", "global", "clusters", permissions=("clusters.manage",))
    await store.roles.create(replace(role, created_at=NOW))
    await store.bindings.create(a_binding("u-standard", "r-clusters", None))
    assert await ids(api, "standard") == [6, 5, 4, 3]


async def test_project_owner_sees_what_others_did_but_not_from_where(api: Api) -> None:
    (item,) = (await api("p-owner", "GET", "/v1/audit")).body["items"]
    assert (item["username"], item["verb"], item["name"]) == ("x", "delete", "db")
    assert (item["source"], item["user_agent"], item["token"], item["details"]) == ("", "", "", {})
    (item, _) = (await api("c-owner", "GET", "/v1/audit")).body["items"]
    assert item["source"] == "192.0.2.7"
    assert item["details"] == {"groups": ["github_team://42"]}


async def test_search_by_token_does_not_tell_a_token_that_is_hidden(api: Api, store: Store) -> None:
    every = {who: await ids(api, who) for who in HELD}
    found = {who: await ids(api, who, "token=token-a") for who in HELD}
    assert found == {**every, "p-owner": []}
    await store.audit.append([of("p-owner", 7, **PROD, namespace="shop")])
    assert await ids(api, "p-owner", "token=token-a") == [7]


async def test_reasons_and_annotations_that_responses_hide_are_for_those_who_see_all(
    api: Api, store: Store
) -> None:
    details = '{"annotations": {"pending": "10.0.0.1 said no"}, "groups": ["own"]}'
    hidden = {"reason": "https://10.0.0.1 refused", "details": details, **PROD}
    for number, code in enumerate((200, 404, 500, 502), 10):
        await store.audit.append([of("p-owner", number, code=code, **hidden)])
    await store.audit.append([of("p-owner", 14, **(hidden | {"path": "/v1/x", "code": 500}))])

    async def reasons(who: str) -> list[str]:
        items = (await api(who, "GET", "/v1/audit?user=p-owner")).body["items"]
        assert all(one["details"].get("groups") for one in items)
        assert all(("annotations" in one["details"]) == (who != "p-owner") for one in items)
        return ["yes" if one["reason"] else "no" for one in items]

    assert await reasons("auditor") == ["yes"] * 5
    assert await reasons("c-owner") == ["no", "yes", "yes", "yes", "yes"]
    assert await reasons("p-owner") == ["no", "no", "no", "yes", "no"]
    for request_id in ("r-10", "r-13", "r-14"):
        response = await api("p-owner", "GET", f"/v1/requests/{request_id}/explanation")
        assert "10.0.0.1" not in str(response.body)


async def test_sign_in_has_the_name_of_its_user(api: Api, store: Store) -> None:
    await store.audit.append([of("", 7, user_id="u-plain", sign_in=True, principal_id="")])
    (first, _) = (await api("plain", "GET", "/v1/audit")).body["items"]
    assert first["username"] == "plain"


@pytest.mark.parametrize("name", ["plain", "u-plain", "local://u-plain"])
async def test_sign_ins_of_a_user_are_found_by_every_name(
    api: Api, store: Store, name: str
) -> None:
    """Events of sign-ins have the id only: there was no identity before."""
    sign_in = of("", 7, user_id="u-plain", sign_in=True, principal_id="")
    await store.audit.append([sign_in])
    assert await ids(api, "auditor", f"user={name}&sign_in=true") == [7]
    assert await ids(api, "p-owner", f"user={name}&sign_in=true") == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("user=x&cluster=prod", [4, 3]),
        ("user=u-plain", [2]),
        ("cluster=c-other", [6, 5]),
        ("namespace=shop", [4]),
        ("project=p-shop", [4]),
        ("sign_in=true", [1]),
        ("verb=create,delete&limit=2", [6, 5]),
        ("verb=create&verb=delete&limit=2", [6, 5]),
        ("verb=create", []),
        ("resource=secrets&limit=1", [6]),
        ("resource=secrets.&limit=1", [6]),
        ("resource=secrets.apps", []),
        ("resource=secrets/status", []),
        ("outcome=403&limit=1", [6]),
        ("outcome=4xx&limit=1", [6]),
        ("outcome=success", []),
        ("since=2026-11-23T12:00:05Z", [6, 5]),
        ("until=2026-11-23T13:00:02%2B01:00", [1]),
        ("since=1h", []),
        ("token=token-a&limit=2", [6, 5]),
        ("token=token-a&user=x&cluster=prod", [4, 3]),
        ("token=token-", []),
    ],
)
async def test_query_selects_events(api: Api, query: str, expected: list[int]) -> None:
    assert await ids(api, "admin", query) == expected


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("who=x", "unknown parameter who"),
        ("user=a&user=b", "user is given 2 times"),
        ("limit=0", "limit must be a number from 1 to 1000"),
        ("limit=1001", "limit must be"),
        ("limit=%C2%B2", "limit must be"),
        ("outcome=bad", "outcome must be one of success"),
        ("outcome=4%C2%B2%C2%B2", "outcome must be one of"),
        ("answered_by=me", "answered_by must be one of"),
        ("token=token-a:secret", "the part before the colon"),
        ("sign_in=1", "sign_in must be true or false"),
        ("since=yesterday", "since must be a time"),
        ("since=", "since must be a time"),
        ("since=2026-11-23T12:00:05", "since must be a time"),
        ("since=0001-01-01T00:00:00%2B23:00", "since must be a time"),
        ("since=99999999d", "since must be a time"),
        ("verb=" + ",".join("abcdefghijklmnopqrstuvwxyz0123456789"), "at most 32 verbs"),
        ("continue=x", "continue is not valid"),
        ("watch=1&limit=1", "leave limit out"),
        ("watch=1&until=1h", "leave until out"),
    ],
)
async def test_invalid_parameter_is_refused(api: Api, query: str, words: str) -> None:
    response = await api("admin", "GET", f"/v1/audit?{query}")
    assert (response.status, words in response.body["detail"]) == (422, True), response.body


async def test_pages_continue_while_new_events_come(api: Api, store: Store) -> None:
    first = (await api("admin", "GET", "/v1/audit?limit=4")).body
    await store.audit.append([of("x", 9)])
    rest = await api("admin", "GET", f"/v1/audit?limit=4&continue={first['continue']}")
    shown = [one["request_id"] for one in [*first["items"], *rest.body["items"]]]
    assert shown == [f"r-{number}" for number in (6, 5, 4, 3, 2, 1)]
    assert "continue" not in rest.body
    # The position is encrypted: its number would count the events of others.
    assert first["continue"].startswith("gAAAA")


class Stream:
    """The events of a stream."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self.last_id = ""

    async def next(self) -> tuple[str, dict[str, Any]]:
        kind = ""
        while True:
            async with asyncio.timeout(60):
                line = (await self._response.content.readline()).decode().rstrip("\n")
            if line.startswith("id: "):
                self.last_id = line[4:]
            elif line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("data: "):
                return kind, json.loads(line[6:])


async def open_stream(api: Api, who: str, query: str = "", **headers: str) -> Stream:
    headers["Authorization"] = f"Bearer {await api.bearer(who)}"
    response = await api.client.get(f"/v1/audit?watch=1&{query}", headers=headers)
    assert response.status == 200
    return Stream(response)


async def test_stream_sends_new_events_of_the_scope_and_continues(api: Api, store: Store) -> None:
    stream = await open_stream(api, "c-owner", "verb=delete")
    await store.audit.append([of("x", 7, **OTHER), of("x", 8, **PROD), of("x", 9, **PROD)])
    kind, item = await stream.next()
    assert (kind, item["request_id"]) == ("added", "r-8")
    again = await open_stream(api, "c-owner", "verb=delete", **{"Last-Event-ID": stream.last_id})
    assert (await again.next())[1]["request_id"] == "r-9"


async def test_stream_with_since_begins_with_earlier_events(api: Api) -> None:
    stream = await open_stream(api, "c-owner", "since=2026-11-23T12:00:00Z")
    assert [(await stream.next())[1]["request_id"] for _ in range(2)] == ["r-3", "r-4"]


async def test_stream_ends_with_the_credential(api: Api, store: Store) -> None:
    stream = await open_stream(api, "plain", "since=2026-11-23T12:00:00Z")
    assert (await stream.next())[1]["request_id"] == "r-2"
    await store.identities.revoke_tokens(user_id="u-plain")
    kind, body = await stream.next()
    assert (kind, "revoked" in body["reason"]) == ("ended", True)


async def test_stream_shows_nothing_more_after_the_role_is_gone(api: Api, store: Store) -> None:
    stream = await open_stream(api, "c-owner")
    (binding,) = [one for one in await store.bindings.everywhere() if one.user_id == "u-c-owner"]
    await store.bindings.delete(binding.id)
    await store.audit.append([of("x", 7, **PROD), of("c-owner", 8, **PROD)])
    assert (await stream.next())[1]["request_id"] == "r-8"
