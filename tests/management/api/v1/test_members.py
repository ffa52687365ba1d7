"""Tests of members over the API: the removal of one role. Others: test_projects.py."""

from tests.management.api.conftest import Api

PATH = "/v1/projects/p-shop/members"


async def roles_of(api: Api, user: str) -> list[str]:
    members = (await api("admin", "GET", f"{PATH}?user=u-{user}")).body["items"]
    return sorted(one["role"] for one in members)


async def test_one_role_of_a_member_is_removed_and_others_stay(api: Api) -> None:
    for role in ("member", "read-only"):
        body = {"user": "u-plain", "role": role}
        assert (await api("p-owner", "POST", PATH, body)).status == 201
    assert (await api("p-owner", "DELETE", f"{PATH}/u-plain?role=member")).status == 204
    assert await roles_of(api, "plain") == ["read-only"]
    again = await api("p-owner", "DELETE", f"{PATH}/u-plain?role=member")
    assert (again.status, again.body["detail"]) == (404, "\"plain\" does not hold 'member'")
    unknown = await api("p-owner", "DELETE", f"{PATH}/u-plain?role=nothing")
    assert (unknown.status, "the roles are" in unknown.body["detail"]) == (422, True)
    assert await roles_of(api, "plain") == ["read-only"]
    assert (await api("p-owner", "DELETE", f"{PATH}/u-plain")).status == 204
    assert await roles_of(api, "plain") == []


async def test_role_that_exceeds_the_caller_is_not_removed(api: Api) -> None:
    made = await api(
        "admin",
        "POST",
        "/v1/roles",
        {"name": "doors", "scope": "project", "permissions": ["project.members", "project.read"]},
    )
    assert made.status == 201
    await api("admin", "POST", PATH, {"user": "u-plain", "role": "doors"})
    refused = await api("plain", "DELETE", f"{PATH}/u-p-owner?role=owner")
    assert refused.status == 403
    assert await roles_of(api, "p-owner") == ["owner"]
