"""Roles, who holds them, and users: made, changed, taken away; and never more than one's own."""

from typing import Any

import pytest

from store.interfaces import Membership, Store
from tests.management.api.conftest import Api
from tests.store.records import a_binding

RULE = {"verbs": ["get"], "api_groups": [""], "resources": ["pods"]}


async def made_role(api: Api, **body: Any) -> dict[str, Any]:
    answer = await api("admin", "POST", "/v1/roles", {"name": "pods", "scope": "cluster", **body})
    assert answer.status == 201, answer.body
    found: dict[str, Any] = answer.body
    return found


async def test_a_role_is_made_shown_changed_and_deleted(api: Api) -> None:
    role = await made_role(api, rules=[RULE], inherits=["cluster-read-only"])
    assert role["effective"]["cluster_roles"] == ["view"]
    shown = await api("nobody", "GET", f"/v1/roles/{role['id']}")
    assert (shown.status, shown.body) == (200, role)
    changed = await api(
        "admin",
        "PATCH",
        f"/v1/roles/{role['id']}",
        {"description": "Sees pods", "inherits": None},
        If_Match=shown.headers["ETag"],
    )
    assert (changed.status, changed.body["inherits"]) == (200, [])
    assert changed.headers["ETag"] != shown.headers["ETag"]
    stale = await api("admin", "DELETE", f"/v1/roles/{role['id']}", If_Match=shown.headers["ETag"])
    assert stale.status == 412
    assert (await api("admin", "DELETE", f"/v1/roles/{role['id']}")).status == 204
    assert (await api("admin", "GET", f"/v1/roles/{role['id']}")).status == 404


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"name": "x", "scope": "galaxy"}, 422, "scope"),
        ({"name": "owner", "scope": "cluster"}, 409, "already"),
        ({"name": "x", "scope": "cluster", "colour": "red"}, 422, "colour"),
        ({"name": "x", "scope": "cluster", "permissions": ["users.manage"]}, 422, "permissions"),
        ({"name": "x", "scope": "global", "rules": [RULE]}, 422, "rules"),
        ({"name": "x", "scope": "cluster", "rules": [{"verbs": ["get"]}]}, 422, "api_groups"),
        ({"name": "x", "scope": "cluster", "rules": [{**RULE, "verbs": []}]}, 422, "verbs"),
        (
            {"name": "x", "scope": "cluster", "rules": [{**RULE, "non_resource_urls": ["/x"]}]},
            422,
            "not both",
        ),
        ({"name": "x", "scope": "cluster", "inherits": ["r-none"]}, 422, "no role"),
        ({"name": "x", "scope": "cluster", "inherits": ["project-owner"]}, 422, "project role"),
        ({"name": "a\nb", "scope": "cluster"}, 422, "one line"),
        ([], 422, "body"),
    ],
)
async def test_a_role_that_can_not_be_is_refused(
    api: Api, body: Any, status: int, said: str
) -> None:
    answer = await api("admin", "POST", "/v1/roles", body)
    assert (answer.status, said in answer.body["detail"]) == (status, True), answer.body


async def test_inheritance_goes_round_in_no_circle(api: Api) -> None:
    first = await made_role(api, name="first")
    second = await made_role(api, name="second", inherits=[first["id"]])
    answer = await api("admin", "PATCH", f"/v1/roles/{first['id']}", {"inherits": [second["id"]]})
    assert (answer.status, "circle" in answer.body["detail"]) == (422, True)


async def test_a_role_in_use_stays_and_one_that_is_always_there_never_changes(api: Api) -> None:
    role = await made_role(api, rules=[RULE])
    await api.store.bindings.create(a_binding("u-nobody", role["id"]))
    assert (await api("admin", "DELETE", f"/v1/roles/{role['id']}")).status == 409
    for method in ("PATCH", "DELETE"):
        answer = await api("admin", method, "/v1/roles/cluster-owner", {"description": "x"})
        assert answer.status == 409


async def test_who_makes_a_role_holds_all_of_it_everywhere(api: Api, store: Store) -> None:
    """Somebody who may make roles, and nothing else, makes empty ones."""
    only = await api(
        "admin",
        "POST",
        "/v1/roles",
        {"name": "r", "scope": "global", "permissions": ["roles.manage"]},
    )
    await store.bindings.create(a_binding("u-nobody", only.body["id"], None))
    for body, status in (
        ({"name": "empty", "scope": "cluster"}, 201),
        ({"name": "x", "scope": "cluster", "rules": [RULE]}, 403),
        ({"name": "x", "scope": "cluster", "cluster_roles": ["view"]}, 403),
        ({"name": "x", "scope": "cluster", "permissions": ["cluster.members"]}, 403),
        ({"name": "x", "scope": "project", "inherits": ["project-read-only"]}, 403),
        ({"name": "x", "scope": "global", "permissions": ["users.manage"]}, 403),
        ({"name": "x", "scope": "global", "inherits": ["administrator"]}, 403),
    ):
        assert (await api("nobody", "POST", "/v1/roles", body)).status == status, body


async def test_a_global_role_is_given_and_taken(api: Api) -> None:
    body = {"role": "standard-user", "user": "nobody"}
    given = await api("restricted", "POST", "/v1/bindings", body)
    assert (given.status, given.body["user"], given.body["role"]) == (
        201,
        "u-nobody",
        "standard-user",
    )
    assert (await api("nobody", "GET", "/v1/principals?search=x")).status == 200
    listed = await api("admin", "GET", "/v1/bindings?user=u-nobody")
    assert [one["id"] for one in listed.body["items"]] == [given.body["id"]]
    assert (await api("admin", "DELETE", f"/v1/bindings/{given.body['id']}")).status == 204
    assert (await api("nobody", "GET", "/v1/principals?search=x")).status == 403


async def test_a_group_holds_a_role_for_all_who_are_in_it(api: Api, store: Store) -> None:
    body = {"role": "administrator", "group": "github_team://7", "name": "acme/root"}
    assert (await api("admin", "POST", "/v1/bindings", body)).status == 201
    assert (await api("nobody", "GET", "/v1/users")).status == 403
    team = Membership("github_team://7", "github", "acme/root")
    await store.users.set_memberships("u-nobody", "github", [team])
    assert (await api("nobody", "GET", "/v1/users")).status == 200
    groups = await api("admin", "GET", "/v1/groups")
    assert groups.body["items"] == [
        {"id": "github_team://7", "provider": "github", "name": "acme/root", "members": 1}
    ]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"role": "administrator", "user": "nobody"}, 403),
        ({"role": "restricted-administrator", "user": "nobody"}, 201),
        ({"role": "cluster-owner", "user": "nobody"}, 422),
        ({"role": "standard-user", "user": "gone"}, 404),
        ({"role": "standard-user"}, 422),
        ({"role": "standard-user", "user": "nobody", "group": "a://1"}, 422),
        ({"role": "standard-user", "group": "system:masters"}, 422),
        ({"role": "standard-user", "group": "not a principal"}, 422),
    ],
)
async def test_a_restricted_administrator_makes_no_administrators(
    api: Api, body: Any, status: int
) -> None:
    assert (await api("restricted", "POST", "/v1/bindings", body)).status == status


async def test_nobody_manages_who_holds_more_than_they_do(api: Api) -> None:
    for method, path, body in (
        ("PATCH", "/v1/users/u-admin", {"enabled": False}),
        ("DELETE", "/v1/users/u-admin", None),
        ("POST", "/v1/users/u-admin/password", {"new_password": "a-long-password"}),
        ("DELETE", "/v1/users/u-admin/tokens", None),
        ("GET", "/v1/tokens?user=u-admin", None),
    ):
        assert (await api("restricted", method, path, body)).status == 403, path
    [binding] = (await api("admin", "GET", "/v1/bindings?user=u-admin")).body["items"]
    assert (await api("restricted", "DELETE", f"/v1/bindings/{binding['id']}")).status == 403


async def test_the_last_administrator_locks_nobody_out(api: Api) -> None:
    [binding] = (await api("admin", "GET", "/v1/bindings?user=u-admin")).body["items"]
    for method, path, body in (
        ("PATCH", "/v1/users/u-admin", {"enabled": False}),
        ("DELETE", f"/v1/bindings/{binding['id']}", None),
        ("DELETE", "/v1/users/u-admin", None),
    ):
        assert (await api("admin", method, path, body)).status == 409, path


async def test_a_user_is_made_changed_and_deleted(api: Api) -> None:
    body = {"username": "dora", "password": "long-enough-12"}
    made = await api("restricted", "POST", "/v1/users", body)
    assert (made.status, made.body["username"]) == (201, "dora")
    assert "password" not in str(made.body)
    path = f"/v1/users/{made.body['id']}"
    shown = await api("admin", "GET", path)
    changed = await api(
        "admin",
        "PATCH",
        path,
        {"enabled": False, "display_name": "Dora"},
        If_Match=shown.headers["ETag"],
    )
    assert (changed.body["enabled"], changed.body["display_name"]) == (False, "Dora")
    again = await api("admin", "PATCH", path, {"enabled": True}, If_Match=shown.headers["ETag"])
    assert again.status == 412
    assert (await api("admin", "DELETE", path)).status == 204
    assert (await api("admin", "GET", path)).status == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"username": "nobody"}, 201),
        ({"username": ""}, 422),
        ({"username": "u-alike"}, 422),
        ({"username": "system:admin"}, 422),
        ({"username": "dora", "password": "short"}, 422),
        ({"username": "dora", "administrator": True}, 422),
        ({"username": 7}, 422),
    ],
)
async def test_a_user_that_can_not_be_is_refused(api: Api, body: Any, status: int) -> None:
    assert (await api("admin", "POST", "/v1/users", body)).status == status
