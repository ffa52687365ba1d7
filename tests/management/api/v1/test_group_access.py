"""One group over the API: its members, and its roles everywhere."""

from typing import Any
from urllib.parse import quote

import pytest

from management.authorization.permissions import READ_USERS
from store.access_records import Role
from store.interfaces import Store
from store.records import Membership
from tests.management.api.conftest import Api
from tests.store.records import NOW, a_binding, a_user

TEAM = Membership("github_team://7", "github", "platform")
ODD = Membership("oidc_group://a/members", "issuer", "odd")


def path(group: Membership, part: str) -> str:
    return f"/v1/groups/{quote(group.id, safe='')}/{part}"


@pytest.fixture(autouse=True)
async def team(store: Store) -> None:
    """``plain`` and ``standard`` are in a team, a member of the project and reader of a cluster."""
    await store.users.set_memberships("u-plain", "github", [TEAM])
    await store.users.set_memberships("u-standard", "github", [TEAM])
    await store.users.set_memberships("u-c-member", "issuer", [ODD])
    for role, *place in (
        ("standard-user", None),
        ("cluster-read-only", "c-prod"),
        ("project-member", "c-prod", "p-shop"),
    ):
        await store.bindings.create(a_binding(TEAM.id, str(role), *place, name="platform"))
    await store.bindings.create(a_binding("u-plain", "cluster-owner", "c-other"))


def via(place: dict[str, Any]) -> list[list[str]]:
    return [[step["name"] for step in one] for one in place["via"]]


async def test_group_has_its_roles_in_each_place_and_none_of_its_members(api: Api) -> None:
    body = (await api("auditor", "GET", path(TEAM, "access"))).body
    assert body["group"] == {
        "id": TEAM.id,
        "provider": "github",
        "name": "platform",
        "members": 2,
    }
    assert via(body["overall"]) == [["platform", "Sekisho", "standard-user"]]
    [cluster] = body["clusters"]
    assert via(cluster) == [["platform", 'cluster "prod"', "read-only"]]
    [project] = cluster["projects"]
    assert via(project) == [["platform", 'project "shop"', "member"]]
    assert (body["hidden"], body["more"]) == (0, 0)


async def test_members_of_a_group_are_listed_in_pages(api: Api) -> None:
    first = (await api("restricted", "GET", path(TEAM, "members") + "?limit=1")).body
    assert [one["username"] for one in first["items"]] == ["plain"]
    after = f"{path(TEAM, 'members')}?limit=1&continue={first['continue']}"
    second = (await api("restricted", "GET", after)).body
    assert [one["username"] for one in second["items"]] == ["standard"]
    assert "continue" not in second


async def test_id_that_ends_like_the_path_is_another_group(api: Api) -> None:
    body = (await api("auditor", "GET", path(ODD, "members"))).body
    assert [one["username"] for one in body["items"]] == ["c-member"]
    assert (await api("auditor", "GET", path(ODD, "access"))).body["group"]["name"] == "odd"


async def test_group_that_only_a_role_names_is_known_and_has_no_members(
    api: Api, store: Store
) -> None:
    crew = Membership("ldap_group://9", "ldap", "crew")
    await store.bindings.create(a_binding(crew.id, "cluster-member", "c-prod", name="crew"))
    body = (await api("auditor", "GET", path(crew, "access"))).body
    assert (body["group"]["name"], body["group"]["members"]) == ("crew", 0)
    assert (await api("auditor", "GET", path(crew, "members"))).body["items"] == []


async def test_user_sees_own_groups_without_members_and_no_other_group(api: Api) -> None:
    body = (await api("plain", "GET", path(TEAM, "access"))).body
    assert body["group"]["members"] is None
    assert [via(one) for one in body["clusters"]] == [[["platform", 'cluster "prod"', "read-only"]]]
    assert (await api("plain", "GET", path(TEAM, "members"))).status == 403
    for group in (ODD, Membership("github_team://8", "github", "absent")):
        answer = await api("plain", "GET", path(group, "access"))
        assert (answer.status, answer.body["detail"]) == (
            404,
            "group not found, or you may not see it; see /v1/groups",
        )


async def test_unknown_group_is_not_found_for_readers_of_users(api: Api) -> None:
    absent = Membership("github_team://8", "github", "absent")
    for part in ("access", "members"):
        assert (await api("auditor", "GET", path(absent, part))).status == 404


async def test_places_that_the_reader_may_not_see_are_counted_only(api: Api, store: Store) -> None:
    read = Role("r-read", "global", "read", permissions=(READ_USERS,), created_at=NOW)
    await store.roles.create(read)
    await store.users.create(a_user("helpdesk"))
    await store.bindings.create(a_binding("u-helpdesk", "r-read", None))
    body = (await api("helpdesk", "GET", path(TEAM, "access"))).body
    assert (body["clusters"], body["overall"]["via"], body["hidden"]) == ([], [], 3)
