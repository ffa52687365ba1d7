"""Tests of labels over the API: validation, changes, and selection in lists."""

from typing import Any

import pytest

from tests.management.api.conftest import Api

TEAM = {"team": "shop"}


async def test_labels_of_every_kind_are_shown_and_selected(api: Api) -> None:
    bound = {"user": "u-plain", "labels": TEAM}
    made: dict[str, dict[str, Any]] = {
        "/v1/users": {"username": "anna"},
        "/v1/roles": {"name": "seer", "scope": "cluster"},
        "/v1/bindings": {**bound, "role": "standard-user"},
        "/v1/projects": {"name": "web", "cluster": "prod"},
        "/v1/clusters/prod/members": {**bound, "role": "member"},
        "/v1/projects/p-shop/members": {**bound, "role": "member"},
    }
    for path, body in made.items():
        created = await api("admin", "POST", path, {**body, "labels": TEAM})
        assert (created.status, created.body.get("labels")) == (201, TEAM), (path, created.body)
    assert (await api("admin", "PATCH", "/v1/clusters/prod", {"labels": TEAM})).body[
        "labels"
    ] == TEAM
    for path in (*made, "/v1/clusters"):
        found = await api("admin", "GET", f"{path}?label=team%3Dshop")
        assert [one["labels"] for one in found.body["items"]] == [TEAM], path
        others = (await api("admin", "GET", f"{path}?label=!team")).body["items"]
        assert all(one["labels"] == {} for one in others)


@pytest.mark.parametrize(
    ("path", "create"),
    [
        ("/v1/users/{id}", ("/v1/users", {"username": "anna"})),
        ("/v1/roles/{id}", ("/v1/roles", {"name": "seer", "scope": "cluster"})),
        ("/v1/projects/{id}", ("/v1/projects", {"name": "web", "cluster": "prod"})),
    ],
)
async def test_labels_are_merged_and_reset_by_patches(
    api: Api, path: str, create: tuple[str, dict[str, Any]]
) -> None:
    made = await api("admin", "POST", create[0], {**create[1], "labels": TEAM})
    at = path.format(id=made.body["id"])
    more = await api("admin", "PATCH", at, {"labels": {"tier": "1"}})
    assert more.body["labels"] == {"team": "shop", "tier": "1"}
    fewer = await api("admin", "PATCH", at, {"labels": {"team": None}})
    assert fewer.body["labels"] == {"tier": "1"}
    assert (await api("admin", "PATCH", at, {"labels": None})).body["labels"] == {}


async def test_member_granted_again_keeps_labels_or_gets_new_ones(api: Api) -> None:
    path, body = "/v1/clusters/prod/members", {"user": "u-plain", "role": "member"}
    first = await api("admin", "POST", path, {**body, "labels": TEAM})
    assert (await api("admin", "POST", path, body)).body["labels"] == TEAM
    again = await api("admin", "POST", path, {**body, "labels": {}})
    assert (again.body["id"], again.body["labels"]) == (first.body["id"], {})


@pytest.mark.parametrize(
    "labels",
    [{"a b": "c"}, {"a": "b c"}, {"a": 1}, {"x" * 64: ""}, ["a"], {f"k{n}": "" for n in range(33)}],
)
async def test_invalid_labels_are_refused_and_change_nothing(api: Api, labels: Any) -> None:
    refused = await api("admin", "PATCH", "/v1/projects/p-shop", {"labels": labels})
    assert refused.status == 422
    assert (await api("admin", "GET", "/v1/projects/p-shop")).body["labels"] == {}


async def test_invalid_selector_in_a_list_is_refused(api: Api) -> None:
    refused = await api("admin", "GET", "/v1/users?label=a%20b")
    assert (refused.status, "label:" in refused.body["detail"]) == (422, True)
    assert (await api("admin", "GET", "/v1/groups?label=a")).status == 422
