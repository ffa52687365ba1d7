"""Roles, bindings and users: no caller grants more than they hold."""

from typing import Any

import pytest

from store.interfaces import Store
from store.records import Membership
from tests.management.api.conftest import Api
from tests.store.records import a_binding

RULE = {"verbs": ["get"], "api_groups": [""], "resources": ["pods"]}


async def made_role(api: Api, **body: Any) -> dict[str, Any]:
    response = await api("admin", "POST", "/v1/roles", {"name": "pods", "scope": "cluster", **body})
    assert response.status == 201, response.body
    found: dict[str, Any] = response.body
    return found


async def test_role_is_created_read_changed_and_deleted(api: Api) -> None:
    role = await made_role(api, rules=[RULE], inherits=["cluster-read-only"])
    assert role["effective"]["cluster_roles"] == ["view"]
    shown = await api("plain", "GET", f"/v1/roles/{role['id']}")
    denied = "this needs the permission roles.manage: ask an administrator for it"
    assert (shown.status, shown.body) == (200, {**role, "denied": denied})
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
        ({"name": "x", "scope": "cluster", "inherits": ["r-none"]}, 422, "not found"),
        ({"name": "x", "scope": "cluster", "inherits": ["project-owner"]}, 422, "project role"),
        ({"name": "a\nb", "scope": "cluster"}, 422, "one line"),
        ({"name": "x", "scope": "cluster", "cluster_roles": ["a/b"]}, 422, "cluster_roles"),
        ({"name": "x", "scope": "cluster", "cluster_roles": ["a%2f"]}, 422, "cluster_roles"),
        ({"name": "x", "scope": "cluster", "cluster_roles": [".."]}, 422, "cluster_roles"),
        ([], 422, "body"),
    ],
)
async def test_invalid_role_is_rejected(api: Api, body: Any, status: int, said: str) -> None:
    response = await api("admin", "POST", "/v1/roles", body)
    assert (response.status, said in response.body["detail"]) == (status, True), response.body


async def test_dry_run_of_a_role_checks_it_and_stores_nothing(api: Api) -> None:
    body = {"name": "pods", "scope": "cluster", "rules": [RULE]}
    tried = await api("admin", "POST", "/v1/roles?dry_run=true", body)
    assert (tried.status, tried.body["effective"]["rules"][0]["verbs"]) == (200, ["get"])
    assert (await api("admin", "GET", f"/v1/roles/{tried.body['id']}")).status == 404
    role = await made_role(api, rules=[RULE])
    path = f"/v1/roles/{role['id']}"
    changed = await api("admin", "PATCH", f"{path}?dry_run=true", {"permissions": ["nodes.read"]})
    assert (changed.status, changed.body["effective"]["permissions"]) == (200, ["nodes.read"])
    assert (await api("admin", "GET", path)).body == role
    more = {"name": "more", "scope": "global", "permissions": ["providers.manage"]}
    refused = await api("restricted", "POST", "/v1/roles?dry_run=true", more)
    assert (refused.status, "providers.manage" in refused.body["detail"]) == (403, True)
    assert (await api("admin", "POST", "/v1/roles?dry_run=maybe", body)).status == 400


async def test_circular_inheritance_is_rejected(api: Api) -> None:
    first = await made_role(api, name="first")
    second = await made_role(api, name="second", inherits=[first["id"]])
    response = await api("admin", "PATCH", f"/v1/roles/{first['id']}", {"inherits": [second["id"]]})
    assert (response.status, "circle" in response.body["detail"]) == (422, True)


async def test_bound_role_cannot_be_deleted_and_built_in_role_cannot_be_changed(api: Api) -> None:
    role = await made_role(api, rules=[RULE])
    await api.store.bindings.create(a_binding("u-plain", role["id"]))
    assert (await api("admin", "DELETE", f"/v1/roles/{role['id']}")).status == 409
    for method in ("PATCH", "DELETE"):
        response = await api("admin", method, "/v1/roles/cluster-owner", {"description": "x"})
        assert response.status == 409


async def test_role_creator_must_hold_its_grants_everywhere(api: Api, store: Store) -> None:
    """A caller with roles.manage only can create empty roles."""
    only = await api(
        "admin",
        "POST",
        "/v1/roles",
        {"name": "r", "scope": "global", "permissions": ["roles.manage"]},
    )
    await store.bindings.create(a_binding("u-plain", only.body["id"], None))
    for body, status in (
        ({"name": "empty", "scope": "cluster"}, 201),
        ({"name": "x", "scope": "cluster", "rules": [RULE]}, 403),
        ({"name": "x", "scope": "cluster", "cluster_roles": ["view"]}, 403),
        ({"name": "x", "scope": "cluster", "permissions": ["cluster.members"]}, 403),
        ({"name": "x", "scope": "project", "inherits": ["project-read-only"]}, 403),
        ({"name": "x", "scope": "global", "permissions": ["users.manage"]}, 403),
        ({"name": "x", "scope": "global", "inherits": ["administrator"]}, 403),
    ):
        assert (await api("plain", "POST", "/v1/roles", body)).status == status, body


async def test_global_role_is_granted_and_removed(api: Api) -> None:
    body = {"role": "standard-user", "user": "plain"}
    given = await api("restricted", "POST", "/v1/bindings", body)
    assert (given.status, given.body["user"], given.body["role"]) == (
        201,
        "u-plain",
        "standard-user",
    )
    assert (await api("plain", "GET", "/v1/principals?search=x")).status == 200
    listed = await api("admin", "GET", "/v1/bindings?user=u-plain")
    assert [one["id"] for one in listed.body["items"]] == [given.body["id"]]
    assert (await api("admin", "DELETE", f"/v1/bindings/{given.body['id']}")).status == 204
    assert (await api("plain", "GET", "/v1/principals?search=x")).status == 403


async def test_group_role_applies_to_all_its_members(api: Api, store: Store) -> None:
    body = {"role": "administrator", "group": "github_team://7", "name": "acme/root"}
    assert (await api("admin", "POST", "/v1/bindings", body)).status == 201
    assert (await api("plain", "GET", "/v1/users")).status == 403
    team = Membership("github_team://7", "github", "acme/root")
    await store.users.set_memberships("u-plain", "github", [team])
    assert (await api("plain", "GET", "/v1/users")).status == 200
    groups = await api("admin", "GET", "/v1/groups")
    assert groups.body["items"] == [
        {"id": "github_team://7", "provider": "github", "name": "acme/root", "members": 1}
    ]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"role": "administrator", "user": "plain"}, 403),
        ({"role": "restricted-administrator", "user": "plain"}, 201),
        ({"role": "cluster-owner", "user": "plain"}, 422),
        ({"role": "standard-user", "user": "gone"}, 404),
        ({"role": "standard-user"}, 422),
        ({"role": "standard-user", "user": "plain", "group": "a://1"}, 422),
        ({"role": "standard-user", "group": "system:masters"}, 422),
        ({"role": "standard-user", "group": "not a principal"}, 422),
    ],
)
async def test_restricted_administrator_cannot_grant_administrator(
    api: Api, body: Any, status: int
) -> None:
    assert (await api("restricted", "POST", "/v1/bindings", body)).status == status


async def test_manager_cannot_act_on_a_user_who_holds_more(api: Api) -> None:
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


async def test_last_administrator_cannot_be_removed(api: Api) -> None:
    [binding] = (await api("admin", "GET", "/v1/bindings?user=u-admin")).body["items"]
    for method, path, body in (
        ("PATCH", "/v1/users/u-admin", {"enabled": False}),
        ("DELETE", f"/v1/bindings/{binding['id']}", None),
        ("DELETE", "/v1/users/u-admin", None),
    ):
        assert (await api("admin", method, path, body)).status == 409, path


async def test_user_is_created_changed_and_deleted(api: Api) -> None:
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
        ({"username": "dora"}, 201),
        ({"username": ""}, 422),
        ({"username": "u-alike"}, 422),
        ({"username": "system:admin"}, 422),
        ({"username": "dora", "password": "short"}, 422),
        ({"username": "dora", "administrator": True}, 422),
        ({"username": 7}, 422),
    ],
)
async def test_invalid_user_is_rejected(api: Api, body: Any, status: int) -> None:
    assert (await api("admin", "POST", "/v1/users", body)).status == status


@pytest.mark.parametrize("first", [{}, {"password": "long-enough-12"}])
@pytest.mark.parametrize("second", [{}, {"password": "long-enough-13"}])
async def test_local_users_have_different_names(api: Api, first: Any, second: Any) -> None:
    assert (await api("admin", "POST", "/v1/users", {"username": "dora", **first})).status == 201
    refused = await api("admin", "POST", "/v1/users", {"username": "dora", **second})
    assert (refused.status, refused.body["detail"]) == (
        409,
        'a local user "dora" exists already',
    )


LARGER: tuple[dict[str, Any], ...] = (
    {"scope": "cluster", "rules": [RULE]},
    {"scope": "cluster", "permissions": ["cluster.members"]},
    {"scope": "project", "cluster_roles": ["view"]},
    {"scope": "project", "inherits": ["project-read-only"]},
    {"scope": "global", "permissions": ["users.manage"]},
)


@pytest.mark.parametrize("content", LARGER, ids=str)
@pytest.mark.parametrize("bound", [False, True], ids=["unbound", "bound"])
async def test_role_is_reduced_or_deleted_only_by_a_holder_of_its_grants(
    api: Api, store: Store, content: dict[str, Any], bound: bool
) -> None:
    only = await made_role(api, name="r", scope="global", permissions=["roles.manage"])
    await store.bindings.create(a_binding("u-plain", only["id"], None))
    role = await made_role(api, **{"name": "larger", **content})
    if bound:
        place = {
            "global": (None, None),
            "cluster": ("c-prod", None),
            "project": ("c-prod", "p-shop"),
        }
        await store.bindings.create(a_binding("u-standard", role["id"], *place[content["scope"]]))
    path = f"/v1/roles/{role['id']}"
    emptied = dict.fromkeys(("permissions", "rules", "cluster_roles", "inherits"))
    for method, body in (
        ("PATCH", emptied),
        ("PATCH", {"description": "x"}),
        ("PATCH", {"name": "other"}),
        ("DELETE", None),
    ):
        response = await api("plain", method, path, body)
        assert (response.status, "hold" in response.body["detail"]) == (403, True), (method, body)
    assert (await api("admin", "GET", path)).body == role
    assert (await api("admin", "PATCH", path, emptied)).status == 200


async def test_role_without_grants_may_be_changed_by_role_managers(api: Api, store: Store) -> None:
    only = await made_role(api, name="r", scope="global", permissions=["roles.manage"])
    await store.bindings.create(a_binding("u-plain", only["id"], None))
    empty = await made_role(api, name="empty")
    path = f"/v1/roles/{empty['id']}"
    assert (await api("plain", "PATCH", path, {"description": "x"})).status == 200
    assert (await api("plain", "DELETE", path)).status == 204
