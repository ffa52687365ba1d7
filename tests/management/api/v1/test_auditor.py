"""An auditor reads everything that Sekisho stores, and changes nothing."""

from dataclasses import replace
from typing import Any

import pytest

from management.api.access_requirements import Public
from management.api.v1.route_table import TABLE, Endpoint
from management.authorization.builtin_roles import AUDITOR, BUILT_IN
from management.authorization.permissions import (
    AUDIT,
    CLUSTER_AUDIT,
    IMPLIED,
    PERMISSIONS,
    PROJECT_AUDIT,
    READ_CLUSTERS,
    READ_TOKENS,
    READS,
    SEARCH,
)
from store.access_records import ProjectNamespace, Role, Scope
from store.interfaces import Store
from tests.management.api.conftest import Api
from tests.management.api.v1.test_route_table import title
from tests.store.records import NOW, a_binding, a_token
from tests.store.test_audit_events import an_event

READING = {
    *READS.values(),
    *IMPLIED[READ_CLUSTERS],
    *(AUDIT, CLUSTER_AUDIT, PROJECT_AUDIT, READ_TOKENS, READ_CLUSTERS, SEARCH),
}
"""The permissions that only read."""

OWN = {
    *("POST /v1/logout", "POST /v1/me/password", "POST /v1/me/refresh", "POST /v1/me/principals"),
    *("DELETE /v1/me/principals/{id:.+}", "DELETE /v1/me/tokens", "POST /v1/tokens"),
}
"""Changes to the caller's own account."""

KUBECONFIGS = {
    *("GET /v1/clusters/{cluster}/kubeconfig", "POST /v1/clusters/{cluster}/kubeconfig"),
    *("GET /v1/kubeconfig", "POST /v1/kubeconfig"),
}
"""For clusters that the caller may enter: none, which is 404."""

IN_THE_PATH = {
    "{request_id}": "request-1",
    "{id}": "u-plain",
    "{id:.+}": "github_team%3A%2F%2F7",
    "{cluster}": "prod",
    "{project}": "p-shop",
    "{member}": "u-c-owner",
    "{namespace}": "shop",
    "{role}": "r-own",
    "{binding}": "b-standard-user-u-standard-None",
    "{name}": "token-a",
    "{type}": "local",
    "{kind}": "deployment",
}
QUERY = {
    "/v1/principals": "?search=a",
    "/v1/clusters/{cluster}/who-can": "?verb=get&resource=pods&namespace=shop",
    "/v1/tokens": "?user=u-admin",
}
BODY: dict[str, Any] = {
    "POST /v1/projects": {"cluster": "prod", "name": "new"},
}

OTHERS = [one for one in TABLE if not isinstance(one.requirement, Public)]
IN_CLUSTERS = [one for one in OTHERS if one.method != "GET" and "/workloads" in one.path]
"""Changes in clusters, which the clusters decide about. An auditor enters none."""
CHANGES = [
    one
    for one in OTHERS
    if one.method != "GET" and title(one) not in OWN and one not in IN_CLUSTERS
]
READERS = ("auditor", "plain")
"""``plain`` holds every permission to read, in each scope, by custom roles."""


@pytest.fixture(autouse=True)
async def objects(store: Store) -> None:
    await store.tokens.create(a_token(user="u-admin"))
    await store.projects.put_namespace(ProjectNamespace("c-prod", "shop", "uid", "p-shop"))
    await store.roles.create(Role("r-own", "project", "own", created_at=NOW))
    places: dict[Scope, tuple[str | None, str | None]] = {
        "global": (None, None),
        "cluster": ("c-prod", None),
        "project": ("c-prod", "p-shop"),
    }
    await store.audit.append([an_event(1)])
    team = a_binding("github_team://7", "cluster-read-only", "c-prod", name="team")
    await store.bindings.create(team)
    for scope, (cluster, project) in places.items():
        held = tuple(sorted(PERMISSIONS[scope] & READING))
        role = Role(f"r-{scope}", scope, f"reads-{scope}", permissions=held)
        await store.roles.create(replace(role, created_at=NOW))
        await store.bindings.create(a_binding("u-plain", role.id, cluster, project))


def path_of(endpoint: Endpoint) -> str:
    path = endpoint.path
    for name, value in IN_THE_PATH.items():
        path = path.replace(name, value)
    return path + QUERY.get(endpoint.path, "")


def test_auditor_holds_exactly_the_permissions_that_read() -> None:
    assert set(BUILT_IN[AUDITOR].permissions) == PERMISSIONS["global"] & READING
    assert not BUILT_IN[AUDITOR].cluster_roles
    assert not BUILT_IN[AUDITOR].rules


@pytest.mark.parametrize("who", READERS)
@pytest.mark.parametrize("endpoint", [one for one in OTHERS if one.method == "GET"], ids=title)
async def test_reader_may_call_every_endpoint_that_reads(
    api: Api, endpoint: Endpoint, who: str
) -> None:
    response = await api(who, "GET", path_of(endpoint))
    if "/workloads" in endpoint.path:  # An auditor enters no cluster, and this one does not run.
        assert response.status == (404 if who == "auditor" else 502), response.body
        return
    registry = "/v1/provider" in endpoint.path or endpoint.path == "/v1/principals"
    # In these tests there are no providers, and the cluster does not respond. It makes no clusters.
    absent = registry or endpoint.path.endswith("/provisioning")
    missing = absent or (who == "auditor" and title(endpoint) in KUBECONFIGS)
    assert response.status in ({200, 404} if missing else {200}), response.body


@pytest.mark.parametrize("who", READERS)
@pytest.mark.parametrize("endpoint", CHANGES, ids=title)
async def test_reader_may_call_no_endpoint_that_changes(
    api: Api, endpoint: Endpoint, who: str
) -> None:
    if title(endpoint) in KUBECONFIGS:
        if who == "auditor":
            assert (await api(who, endpoint.method, path_of(endpoint))).status == 404
        return
    response = await api(who, endpoint.method, path_of(endpoint), BODY.get(title(endpoint), {}))
    assert response.status == 403, response.body


@pytest.mark.parametrize("endpoint", IN_CLUSTERS, ids=title)
async def test_auditor_reaches_no_cluster(api: Api, endpoint: Endpoint) -> None:
    manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop}}"
    body = {"manifest": manifest, "clusters": ["prod"]}
    response = await api("auditor", endpoint.method, path_of(endpoint), body)
    if endpoint.path == "/v1/workloads":
        (answer,) = response.body["items"]
        assert (answer["outcome"], answer["cluster"]) == ("unknown_cluster", None)
    else:
        assert response.status == 404, response.body


@pytest.mark.parametrize("endpoint", CHANGES, ids=title)
def test_no_change_needs_only_a_permission_to_read(endpoint: Endpoint) -> None:
    assert getattr(endpoint.requirement, "permission", None) not in READING


async def test_auditor_reads_the_addresses_and_members_of_every_cluster(api: Api) -> None:
    clusters = (await api("auditor", "GET", "/v1/clusters")).body["items"]
    assert {one["name"]: one["role"] for one in clusters} == {"other": "auditor", "prod": "auditor"}
    assert clusters[0]["servers"] == ["https://127.0.0.1:1/other"]
    members = (await api("auditor", "GET", "/v1/clusters/prod/members")).body["items"]
    assert "u-c-owner" in {one["user"] for one in members}
    assert [one["id"] for one in (await api("auditor", "GET", "/v1/projects")).body["items"]] == [
        "p-shop"
    ]


async def test_auditor_reads_tokens_of_administrators_but_a_manager_of_users_does_not(
    api: Api,
) -> None:
    response = await api("auditor", "GET", "/v1/tokens?user=u-admin")
    assert "token-a" in {one["name"] for one in response.body["items"]}
    assert "digest" not in str(response.body)
    assert (await api("restricted", "GET", "/v1/tokens?user=u-admin")).status == 403
    assert (await api("auditor", "GET", "/v1/tokens?user=u-none")).status == 404


async def test_only_a_user_who_reads_everything_may_grant_the_role_of_auditor(api: Api) -> None:
    grant = {"role": "auditor", "user": "u-standard"}
    assert (await api("auditor", "POST", "/v1/bindings", grant)).status == 403
    assert (await api("restricted", "POST", "/v1/bindings", grant)).status == 403
    assert (await api("admin", "POST", "/v1/bindings", grant)).status == 201


async def test_manager_may_grant_the_permission_to_read_what_the_manager_manages(
    api: Api,
) -> None:
    role = {"scope": "global", "name": "users-reader", "permissions": ["users.read"]}
    assert (await api("restricted", "POST", "/v1/roles", role)).status == 201
    more = role | {"name": "more", "permissions": ["tokens.read"]}
    assert (await api("restricted", "POST", "/v1/roles", more)).status == 403
