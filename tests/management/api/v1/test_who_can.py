"""Who can do something, over the API. The cluster never responds, so Sekisho's roles answer."""

from typing import Any

import pytest

from store.access_records import ProjectNamespace
from store.interfaces import Store
from store.records import Membership
from tests.management.api.conftest import Api
from tests.store.records import a_binding

PATH = "/v1/clusters/prod/who-can"
TEAM = Membership("github_team://7", "github", "platform")
IN_SHOP = f"{PATH}?verb=get&resource=secrets&namespace=shop-web"


@pytest.fixture(autouse=True)
async def shop(store: Store) -> None:
    """The project has a namespace; ``plain`` is in a team that is a member of the project."""
    await store.projects.put_namespace(ProjectNamespace("c-prod", "shop-web", "uid-1", "p-shop"))
    await store.users.set_memberships("u-plain", "github", [TEAM])
    await store.bindings.create(
        a_binding(TEAM.id, "project-member", "c-prod", "p-shop", name="platform")
    )


def people(body: dict[str, Any]) -> set[str]:
    return {one["name"] for one in body["subjects"] if one["kind"] == "person"}


def names(body: dict[str, Any], subject: str) -> list[list[str]]:
    [found] = [one for one in body["subjects"] if one["name"] == subject]
    return [[step["name"] for step in chain["steps"]] for chain in found["chains"]]


async def test_cluster_owner_sees_every_chain_from_the_person_to_the_rule(api: Api) -> None:
    answer = await api("c-owner", "GET", IN_SHOP)
    assert answer.status == 200
    assert answer.body["shown"] == "everything"
    assert people(answer.body) == {
        *("admin", "restricted", "c-owner", "c-member", "p-owner", "p-member", "plain")
    }
    [chain] = names(answer.body, "plain")
    assert chain[:6] == ["plain", "platform", 'project "shop"', "member", "sekisho:edit", "edit"]
    assert "secrets" in chain[6]
    [chain] = names(answer.body, "restricted")
    assert chain == [
        *("restricted", "Sekisho", "restricted-administrator", "administrators of Sekisho"),
        *("sekisho-administrators", "cluster-admin", "* * (*)"),
    ]


async def test_unreachable_cluster_is_named_as_a_gap_without_its_address(api: Api) -> None:
    body = (await api("admin", "GET", IN_SHOP)).body
    assert body["read_at"] is None
    [gap] = body["gaps"]
    assert "the cluster does not respond" in gap
    assert "127.0.0.1" not in gap


async def test_project_owner_sees_chains_of_the_projects_namespaces_only(api: Api) -> None:
    body = (await api("p-owner", "GET", IN_SHOP)).body
    assert body["shown"] == "projects"
    assert people(body) == {"p-owner", "p-member", "plain"}
    assert body["hidden"] == 4  # administrators, owner and member of the cluster, system:masters
    elsewhere = (await api("p-owner", "GET", f"{PATH}?verb=get&resource=secrets")).body
    assert (elsewhere["shown"], elsewhere["subjects"], elsewhere["hidden"]) == ("own", [], None)


async def test_member_sees_only_themselves(api: Api) -> None:
    body = (await api("c-member", "GET", IN_SHOP)).body
    assert (body["shown"], people(body), body["hidden"]) == ("own", {"c-member"}, None)
    assert body["ways"] == []
    assert {one["kind"] for one in body["subjects"]} == {"person"}


async def test_disabled_user_is_listed_as_blocked(api: Api, store: Store) -> None:
    await store.users.update("u-plain", enabled=False)
    body = (await api("admin", "GET", IN_SHOP)).body
    [found] = [one for one in body["subjects"] if one["name"] == "plain"]
    assert found["blocked"] == "disabled"


async def test_question_is_repeated_in_words(api: Api) -> None:
    body = (await api("admin", "GET", f"{PATH}?verb=delete&resource=nodes")).body
    assert people(body) == {"admin", "restricted", "c-owner"}
    assert body["question"] == {"verb": "delete", "resource": "nodes"}
    assert body["text"] == "delete nodes in the whole cluster"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "verb '' is not valid"),
        ("verb=get", "either resource or url"),
        ("verb=get&resource=widgets", "write it with its API group"),
        ("verb=get&resource=pods&format=png", "format must be json or svg"),
        ("verb=get&resource=pods&who=alice", "unknown parameter who"),
    ],
)
async def test_malformed_question_is_refused_with_422(api: Api, query: str, words: str) -> None:
    answer = await api("admin", "GET", f"{PATH}?{query}")
    assert answer.status == 422
    assert words in answer.body["detail"]


async def test_answer_can_be_a_picture(api: Api) -> None:
    answer = await api("admin", "GET", f"{IN_SHOP}&format=svg")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("image/svg+xml")
    assert "platform" in answer.body
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    picture = await api("c-owner", "GET", "/v1/clusters/prod/reach?format=svg")
    assert "project &quot;shop&quot;" in picture.body


async def test_reach_lists_roles_and_places(api: Api) -> None:
    items = (await api("c-owner", "GET", "/v1/clusters/prod/reach")).body["items"]
    found = {(one["subject"]["name"], one["role"]["name"], one["place"]["name"]) for one in items}
    assert ("platform", "member", 'project "shop"') in found
    assert ("c-reader", "read-only", "the whole cluster") in found
    [team] = [one for one in items if one["subject"]["name"] == "platform"]
    assert team["namespaces"] == ["shop-web"]
