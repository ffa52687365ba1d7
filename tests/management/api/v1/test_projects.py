"""Projects over the API, where no cluster need answer; with one: test_keeper.py."""

from typing import Any

import pytest

from tests.management.api.conftest import Api
from tests.store.records import a_binding


async def test_who_makes_a_project_owns_it(api: Api) -> None:
    body = {"name": "mine", "cluster": "prod", "quota": {"pods": "10"}, "isolated": True}
    made = await api("c-member", "POST", "/v1/projects", body)
    assert made.status == 201, made.body
    path = f"/v1/projects/{made.body['id']}"
    assert (await api("c-member", "GET", path)).body == made.body
    members = (await api("c-member", "GET", f"{path}/members")).body["items"]
    assert [(one["user"], one["role"]) for one in members] == [("u-c-member", "owner")]
    assert (await api("p-owner", "GET", path)).status == 404
    shown = await api("c-member", "GET", path)
    changed = await api(
        "c-member", "PATCH", path, {"isolated": None}, If_Match=shown.headers["ETag"]
    )
    assert (changed.status, changed.body["isolated"], changed.body["quota"]) == (
        200,
        False,
        {"pods": "10"},
    )
    assert (await api("c-member", "DELETE", path)).status == 204


@pytest.mark.parametrize(
    ("who", "body", "status"),
    [
        ("p-owner", {"name": "x", "cluster": "prod"}, 403),
        ("nobody", {"name": "x", "cluster": "prod"}, 404),
        ("c-owner", {"name": "x", "cluster": "other"}, 404),
        ("c-owner", {"name": "shop", "cluster": "prod"}, 409),
        ("c-owner", {"name": "x", "cluster": "prod", "quota": {"pods": "many"}}, 422),
        ("c-owner", {"name": "x", "cluster": "prod", "quota": {"pods": "-1"}}, 422),
        ("c-owner", {"name": "x", "cluster": "prod", "quota": ["pods"]}, 422),
        (
            "c-owner",
            {
                "name": "x",
                "cluster": "prod",
                "quota": {"pods": "1"},
                "namespace_quota": {"pods": "2"},
            },
            422,
        ),
        ("c-owner", {"name": "", "cluster": "prod"}, 422),
        ("c-owner", {"cluster": "prod"}, 422),
    ],
)
async def test_a_project_that_can_not_be_is_refused(
    api: Api, who: str, body: dict[str, Any], status: int
) -> None:
    assert (await api(who, "POST", "/v1/projects", body)).status == status


async def test_members_are_let_in_by_their_owners_and_not_above_them(api: Api) -> None:
    path = "/v1/projects/p-shop/members"
    put = await api("p-owner", "PUT", f"{path}/nobody", {"role": "member"})
    assert (put.status, put.body["role"], put.body["bound"]) == (200, "member", False)
    assert (await api("nobody", "GET", "/v1/projects/p-shop")).status == 200
    assert (await api("nobody", "GET", "/v1/clusters/prod")).body["role"] == "project"
    assert (await api("p-owner", "DELETE", f"{path}/nobody")).status == 204
    assert (await api("nobody", "GET", "/v1/clusters/prod")).status == 404
    added = await api("p-owner", "POST", path, {"role": "read-only", "group": "x_group://9"})
    assert (added.status, added.body["group"]) == (201, "x_group://9")


async def test_who_may_say_who_comes_in_gives_and_takes_no_more_than_they_hold(api: Api) -> None:
    doorkeeper = await api(
        "admin",
        "POST",
        "/v1/roles",
        {
            "name": "doorkeeper",
            "scope": "project",
            "permissions": ["project.members", "project.read"],
        },
    )
    await api.store.bindings.create(
        a_binding("u-nobody", doorkeeper.body["id"], "c-prod", "p-shop")
    )
    path = "/v1/projects/p-shop/members"
    for method, who, body, status in (
        ("PUT", "standard", {"role": "doorkeeper"}, 200),
        ("PUT", "standard", {"role": "read-only"}, 403),
        ("PUT", "p-owner", {"role": "doorkeeper"}, 403),
        ("DELETE", "p-owner", None, 403),
        ("DELETE", "standard", None, 204),
    ):
        assert (await api("nobody", method, f"{path}/{who}", body)).status == status, (method, who)


async def test_a_token_for_projects_is_for_those_one_may_see(api: Api) -> None:
    made = await api("p-member", "POST", "/v1/tokens", {"projects": ["p-shop"]})
    assert (made.status, made.body["projects"], made.body["clusters"]) == (
        201,
        ["p-shop"],
        ["c-prod"],
    )
    for who, body in (
        ("nobody", {"projects": ["p-shop"]}),
        ("p-member", {"projects": ["p-none"]}),
        ("admin", {"projects": ["p-shop"], "clusters": ["other"]}),
    ):
        assert (await api(who, "POST", "/v1/tokens", body)).status == 422


@pytest.mark.parametrize(
    "body",
    [
        {"name": "Not A Label"},
        {"name": "a" * 64},
        {"name": "-x"},
        {"name": "x", "labels": {"sekisho.io/project": "p-vault"}},
        {"name": "x", "labels": {"app.kubernetes.io/managed-by": "me"}},
        {"name": "x", "labels": {"pod-security.kubernetes.io/enforce": "privileged"}},
        {"name": "x", "labels": {"team": "no spaces"}},
        {"name": "x", "quota": {"pods": "x"}},
        {"name": "x", "project": "p-vault"},
        {},
    ],
)
async def test_a_namespace_that_can_not_be_is_refused(api: Api, body: dict[str, Any]) -> None:
    answer = await api("p-member", "POST", "/v1/projects/p-shop/namespaces", body)
    assert answer.status == 422, answer.body


async def test_a_cluster_that_is_away_makes_no_namespace_and_says_so(api: Api) -> None:
    path = "/v1/projects/p-shop/namespaces"
    answer = await api("p-member", "POST", path, {"name": "web"})
    assert (answer.status, "127.0.0.1" in answer.body["detail"]) == (502, False)
    assert (await api("p-member", "GET", path)).body["items"] == []
