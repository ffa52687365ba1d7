"""What a user may do, over the API."""

from typing import Any

import pytest

from management.authorization.permissions import USERS
from store.access_records import ProjectNamespace, Role
from store.interfaces import Store
from store.records import Membership
from tests.management.api.conftest import Api
from tests.store.records import NOW, a_binding, a_user

TEAM = Membership("github_team://7", "github", "platform")


@pytest.fixture(autouse=True)
async def shop(store: Store) -> None:
    """``plain`` is in a team that is a member of the project, and reads the cluster by name."""
    await store.projects.put_namespace(ProjectNamespace("c-prod", "shop-web", "uid-1", "p-shop"))
    await store.users.set_memberships("u-plain", "github", [TEAM])
    await store.bindings.create(
        a_binding(TEAM.id, "project-member", "c-prod", "p-shop", name="platform")
    )
    await store.bindings.create(a_binding("u-plain", "cluster-read-only", "c-prod"))


def via(place: dict[str, Any]) -> list[list[str]]:
    return [[step["name"] for step in one] for one in place["via"]]


async def test_access_of_oneself_names_each_place_and_the_way_to_it(api: Api) -> None:
    body = (await api("plain", "GET", "/v1/me/access")).body
    assert body["user"]["username"] == "plain"
    assert [one["display_name"] for one in body["groups"]] == ["platform"]
    assert (body["overall"]["permissions"], body["hidden"], body["rbac"]) == ([], 0, None)
    [cluster] = body["clusters"]
    assert (cluster["name"], cluster["cluster_roles"]) == ("prod", ["view"])
    assert via(cluster) == [["plain", 'cluster "prod"', "read-only"]]
    [project] = cluster["projects"]
    assert (project["name"], project["namespaces"]) == ("shop", ["shop-web"])
    assert via(project) == [["plain", "platform", 'project "shop"', "member"]]


async def test_administrator_owns_every_cluster_by_the_global_role(api: Api) -> None:
    body = (await api("restricted", "GET", "/v1/me/access")).body
    assert [one["name"] for one in body["clusters"]] == ["other", "prod"]
    assert via(body["clusters"][0]) == [["restricted", "Sekisho", "restricted-administrator"]]
    assert body["clusters"][0]["cluster_roles"] == ["cluster-admin"]


async def test_access_includes_the_roles_in_a_cluster_on_request(api: Api) -> None:
    """The cluster does not respond, so these are the roles that Sekisho wants in it."""
    body = (await api("plain", "GET", "/v1/me/access?cluster=prod")).body
    found = {
        (one["namespace"], one["steps"][-1]["name"]): one["rules"] for one in body["rbac"]["roles"]
    }
    assert {(None, "view"), ("shop-web", "edit")} <= set(found)
    assert any("pods/log" in one["resources"] for one in found[None, "view"])
    assert body["rbac"]["read_at"] is None


async def test_access_of_others_needs_the_permission_to_manage_users(api: Api) -> None:
    assert (await api("c-owner", "GET", "/v1/users/u-plain/access")).status == 403
    body = (await api("restricted", "GET", "/v1/users/u-plain/access?cluster=prod")).body
    assert [one["name"] for one in body["clusters"]] == ["prod"]
    assert body["rbac"]["roles"]
    assert (await api("admin", "GET", "/v1/users/u-absent/access")).status == 404


async def test_places_that_the_caller_may_not_see_are_counted_only(api: Api, store: Store) -> None:
    await store.roles.create(
        Role("r-users", "global", "users", permissions=(USERS,), created_at=NOW)
    )
    await store.users.create(a_user("helpdesk"))
    await store.bindings.create(a_binding("u-helpdesk", "r-users", None))
    body = (await api("helpdesk", "GET", "/v1/users/u-plain/access")).body
    assert (body["clusters"], body["hidden"]) == ([], 2)
    assert (await api("helpdesk", "GET", "/v1/users/u-restricted/access")).body["hidden"] == 3
    answer = await api("helpdesk", "GET", "/v1/users/u-plain/access?cluster=prod")
    assert answer.status == 404


async def test_unknown_cluster_and_forbidden_cluster_get_the_same_response(api: Api) -> None:
    for name in ("other", "absent"):
        answer = await api("plain", "GET", f"/v1/me/access?cluster={name}")
        assert answer.status == 404
        assert answer.body["detail"] == f'no cluster "{name}" that you may enter'
    assert (await api("plain", "GET", "/v1/me/access?x=1")).status == 422
