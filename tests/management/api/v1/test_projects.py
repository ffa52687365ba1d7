"""Projects over the API without a cluster; with one: test_reconciler.py."""

from pathlib import Path
from typing import Any

import pytest

from tests.management.api.conftest import Api
from tests.store.records import a_binding


async def test_project_creator_becomes_its_owner(api: Api) -> None:
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
        ("plain", {"name": "x", "cluster": "prod"}, 404),
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
async def test_invalid_project_is_rejected(
    api: Api, who: str, body: dict[str, Any], status: int
) -> None:
    assert (await api(who, "POST", "/v1/projects", body)).status == status


async def test_project_owner_manages_members_of_no_higher_role(api: Api) -> None:
    path = "/v1/projects/p-shop/members"
    put = await api("p-owner", "PUT", f"{path}/plain", {"role": "member"})
    assert (put.status, put.body["role"], put.body["bound"]) == (200, "member", False)
    assert (await api("plain", "GET", "/v1/projects/p-shop")).status == 200
    assert (await api("plain", "GET", "/v1/clusters/prod")).body["role"] == "project"
    assert (await api("p-owner", "DELETE", f"{path}/plain")).status == 204
    assert (await api("plain", "GET", "/v1/clusters/prod")).status == 404
    added = await api("p-owner", "POST", path, {"role": "read-only", "group": "x_group://9"})
    assert (added.status, added.body["group"]) == (201, "x_group://9")


async def test_member_manager_grants_and_removes_only_what_they_hold(api: Api) -> None:
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
    await api.store.bindings.create(a_binding("u-plain", doorkeeper.body["id"], "c-prod", "p-shop"))
    path = "/v1/projects/p-shop/members"
    for method, who, body, status in (
        ("PUT", "standard", {"role": "doorkeeper"}, 200),
        ("PUT", "standard", {"role": "read-only"}, 403),
        ("PUT", "p-owner", {"role": "doorkeeper"}, 403),
        ("DELETE", "p-owner", None, 403),
        ("DELETE", "standard", None, 204),
    ):
        assert (await api("plain", method, f"{path}/{who}", body)).status == status, (method, who)


async def test_project_token_is_limited_to_visible_projects(api: Api) -> None:
    made = await api("p-member", "POST", "/v1/tokens", {"projects": ["p-shop"]})
    assert (made.status, made.body["projects"], made.body["clusters"]) == (
        201,
        ["p-shop"],
        ["c-prod"],
    )
    for who, body in (
        ("plain", {"projects": ["p-shop"]}),
        ("p-member", {"projects": ["p-none"]}),
        ("admin", {"projects": ["p-shop"], "clusters": ["other"]}),
    ):
        assert (await api(who, "POST", "/v1/tokens", body)).status == 422


async def test_project_owner_grants_the_documented_role(api: Api) -> None:
    """The role that docs/projects.md creates on the command line."""
    assert "sekisho role create log-reader --scope project" in Path("docs/projects.md").read_text()
    rule = {"verbs": ["get", "list"], "resources": ["pods", "pods/log"], "api_groups": [""]}
    body = {
        "name": "log-reader",
        "scope": "project",
        "permissions": ["project.read"],
        "rules": [rule],
    }
    made = await api("admin", "POST", "/v1/roles", body)
    assert made.status == 201, made.body
    path = "/v1/projects/p-shop/members/plain"
    given = await api("p-owner", "PUT", path, {"role": body["name"]})
    assert given.status == 200, given.body
    assert (await api("p-owner", "DELETE", path)).status == 204


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"quota": {"podz": "1"}}, "quota", "podz"),
        ({"quota": {"pods": "500m"}}, "quota", "whole number"),
        ({"namespace_quota": {"pods": "1.5"}}, "namespace_quota", "whole number"),
        ({"quota": {"requests.cpu": "2", "limits.cpu": "1"}}, "quota", "requests.cpu"),
        (
            {"container_limits": {"default": {"cpu": "1"}, "default_request": {"cpu": "2"}}},
            "container_limits.default_request",
            "above the limit",
        ),
        ({"container_limits": {"default": {"pods": "1"}}}, "container_limits.default", "pods"),
        (
            {"quota": {"pods": "1"}, "namespace_quota": {"pods": "2"}},
            "namespace_quota.pods",
            "more than",
        ),
    ],
)
async def test_invalid_quota_is_rejected_with_its_field(
    api: Api, body: dict[str, Any], field: str, said: str
) -> None:
    new = {"name": "x", "cluster": "prod", **body}
    for method, path, sent in (
        ("POST", "/v1/projects", new),
        ("PATCH", "/v1/projects/p-shop", body),
    ):
        response = await api("c-owner", method, path, sent)
        assert response.status == 422, response.body
        assert field in response.body["detail"]
        assert said in response.body["detail"]


async def test_user_with_an_odd_provider_name_can_be_disabled(api: Api) -> None:
    odd = "x" * 80 + "\u202e"
    await api.store.users.update("u-plain", display_name=odd)
    changed = await api("admin", "PATCH", "/v1/users/u-plain", {"enabled": False})
    assert (changed.status, changed.body["enabled"]) == (200, False)
