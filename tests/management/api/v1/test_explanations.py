"""Why a request was refused, over the API. The cluster never responds: Sekisho's roles answer."""

import json
from typing import Any

import pytest

from store.access_records import PolicyRule, ProjectNamespace, Role
from store.interfaces import Store
from tests.management.api.conftest import Api
from tests.store.records import NOW, a_binding
from tests.store.test_audit_events import an_event


@pytest.fixture(autouse=True)
async def shop(store: Store) -> None:
    """The project has a namespace."""
    await store.projects.put_namespace(ProjectNamespace("c-prod", "shop-web", "uid-1", "p-shop"))


async def refused(store: Store, user: str = "p-reader", **values: Any) -> None:
    """Store the event of a refused request to list secrets."""
    details = values.pop("details", {})
    fields: dict[str, Any] = {
        "request_id": "r-1",
        "user_id": f"u-{user}",
        "username": user,
        "cluster_id": "c-prod",
        "cluster": "prod",
        "namespace": "shop-web",
        "verb": "list",
        "resource": "secrets",
        "api_group": "",
        "name": "",
        "path": "/api/v1/namespaces/shop-web/secrets",
        "code": 403,
        "outcome": "refused",
        "answered_by": "cluster",
        "details": json.dumps(details),
    }
    await store.audit.append([an_event(1, **(fields | values))])


async def explained(api: Api, who: str = "p-reader") -> dict[str, Any]:
    answer = await api(who, "GET", "/v1/requests/r-1/explanation")
    assert answer.status == 200, answer.body
    body: dict[str, Any] = answer.body
    return body


async def test_missing_rule_names_the_smallest_role_and_who_may_grant_it(
    api: Api, store: Store
) -> None:
    await refused(store)
    body = await explained(api)
    assert (body["cause"], body["refused_by"]) == ("rbac", "cluster")
    assert body["request"] == 'list secrets in namespace "shop-web"'
    assert [one["rule_text"] for one in body["missing"]] == ["list secrets"]
    assert [one["name"] for one in body["roles"]] == ["member", "owner", "member"]
    assert body["granters"] == {"text": 'an owner of project "shop"', "names": ["p-owner"]}
    assert body["remedy"] == 'Ask an owner of project "shop" (p-owner) for the role "member".'
    assert body["allowed_now"] is False


async def test_custom_role_with_fewer_rules_comes_first(api: Api, store: Store) -> None:
    rule = PolicyRule(("get", "list"), ("",), ("secrets",))
    await store.roles.create(
        Role("r-secrets", "project", "secret-reader", rules=(rule,), created_at=NOW)
    )
    await refused(store)
    assert (await explained(api))["roles"][0]["name"] == "secret-reader"


async def test_right_that_exists_by_now_is_reported_with_its_chain(api: Api, store: Store) -> None:
    await refused(store)
    await store.bindings.create(a_binding("u-p-reader", "project-member", "c-prod", "p-shop"))
    body = await explained(api)
    assert (body["cause"], body["allowed_now"]) == ("admission", True)
    assert "they have changed since the request" in body["text"]
    assert [one["name"] for one in body["chain"]["steps"]][:3] == [
        *("p-reader", 'project "shop"', "member")
    ]


async def test_groups_that_the_user_has_left_are_named(api: Api, store: Store) -> None:
    await refused(store, details={"groups": ["github_team://7"]})
    assert "has left groups since: github_team://7" in (await explained(api))["text"]


async def test_owners_of_the_cluster_are_named_only_to_those_who_see_its_members(
    api: Api, store: Store
) -> None:
    await refused(store, "c-reader", namespace="elsewhere")
    body = await explained(api, "c-reader")
    assert body["granters"] == {"text": 'an owner of cluster "prod"', "names": []}
    assert (await explained(api, "c-owner"))["granters"]["names"] == ["c-owner"]


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        ("token_read_only", "The token only reads"),
        ("token_cluster", "limited to other clusters"),
        ("token_project", "limited to its projects"),
        ("impersonation_unsupported", "no user can act as another"),
        ("password_change", "must be changed first"),
    ],
)
async def test_decision_of_sekisho_is_explained(
    api: Api, store: Store, decision: str, words: str
) -> None:
    await refused(
        store, answered_by="sekisho", details={"decision": decision}, reason="the token is …"
    )
    body = await explained(api)
    assert (body["cause"], body["refused_by"]) == (decision, "sekisho")
    assert words in body["text"]
    assert body["remedy"]
    assert body["message"] == "the token is …"
    assert body["missing"] == []


async def test_refused_impersonation_names_the_missing_permission(api: Api, store: Store) -> None:
    details = {"decision": "impersonation", "impersonated": {"groups": ["system:masters"]}}
    await refused(store, answered_by="sekisho", impersonated="root", details=details)
    body = await explained(api)
    assert body["cause"] == "impersonation"
    assert [one["text"] for one in body["missing"]] == [
        'impersonate users "root" in the whole cluster',
        'impersonate groups "system:masters" in the whole cluster',
    ]


async def test_request_as_another_user_is_explained_with_that_users_rights(
    api: Api, store: Store
) -> None:
    """An administrator acts as a user of the cluster, who may do nothing."""
    await refused(store, "admin", impersonated="dave", details={"impersonated": {"groups": []}})
    body = await explained(api, "admin")
    assert (body["cause"], body["allowed_now"], body["roles"]) == ("rbac", False, [])


async def test_refusal_of_the_api_names_the_permission_and_a_role(api: Api, store: Store) -> None:
    await refused(
        store,
        "plain",
        answered_by="sekisho",
        cluster_id="",
        cluster="",
        namespace="",
        verb="post",
        resource="",
        path="/v1/roles",
        reason="this needs the permission roles.manage: ask an administrator for it",
    )
    body = await explained(api, "plain")
    assert (body["cause"], body["request"]) == ("permission", "post /v1/roles")
    assert "roles.manage" in body["text"]
    assert [one["name"] for one in body["roles"]] == ["restricted-administrator", "administrator"]


async def test_exec_needs_the_verbs_of_both_protocols(api: Api, store: Store) -> None:
    await refused(store, verb="connect", resource="pods", subresource="exec", name="web")
    texts = [one["text"] for one in (await explained(api))["missing"]]
    assert texts == [
        'create pods/exec "web" in namespace "shop-web"',
        'get pods/exec "web" in namespace "shop-web"',
    ]


async def test_request_that_was_not_refused_says_so(api: Api, store: Store) -> None:
    await refused(store, code=200, outcome="success")
    assert (await explained(api))["cause"] == "allowed"
    await refused(store, request_id="r-2", code=503, outcome="error")
    answer = await api("p-reader", "GET", "/v1/requests/r-2/explanation")
    assert answer.body["cause"] == "error"


@pytest.mark.parametrize("who", ["plain", "p-reader", "c-reader"])
async def test_request_of_others_looks_like_a_missing_one(api: Api, store: Store, who: str) -> None:
    await refused(store, "admin")
    missing = await api(who, "GET", "/v1/requests/r-none/explanation")
    hidden = await api(who, "GET", "/v1/requests/r-1/explanation")
    assert (missing.status, hidden.status) == (404, 404)
    assert missing.body["detail"] == hidden.body["detail"]


async def test_owner_of_a_project_may_ask_about_requests_in_it(api: Api, store: Store) -> None:
    await refused(store, "p-member", verb="delete", resource="resourcequotas")
    body = await explained(api, "p-owner")
    assert body["username"] == "p-member"
    assert body["cause"] == "rbac"
    assert body["chain"] is None
