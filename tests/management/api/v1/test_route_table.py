"""Every endpoint is called in every role and compared with the table below."""

import pytest

from management.api.v1.route_table import TABLE, Endpoint
from tests.management.api.conftest import HELD, Api

PUBLIC = {None, *HELD}
SIGNED_IN = set(HELD)
AUDITOR = {"auditor"}
ADMINISTRATORS = {"admin", "restricted"}
OWNERS = ADMINISTRATORS | {"c-owner"}
IN_CLUSTER = OWNERS | {"c-member", "c-reader", "p-owner", "p-member", "p-reader"}
NODES = OWNERS | {"c-member", "c-reader"}
PROJECT_OWNERS = OWNERS | {"p-owner"}
PROJECT_MEMBERS = PROJECT_OWNERS | {"p-member"}
IN_PROJECT = PROJECT_MEMBERS | {"p-reader"}

WORKLOAD = "/v1/clusters/{cluster}/workloads/{namespace}/{kind}/{name}"

MAY = {
    "GET /v1/providers": PUBLIC,
    "POST /v1/login/{provider}": PUBLIC,
    "POST /v1/login/{provider}/device": PUBLIC,
    "GET /v1/login/{provider}/start": PUBLIC,
    "GET /v1/login/{provider}/callback": PUBLIC,
    "POST /v1/login/{provider}/backchannel-logout": PUBLIC,
    "POST /v1/token": PUBLIC,
    "POST /v1/logout": SIGNED_IN,
    "GET /v1/me": SIGNED_IN,
    "POST /v1/me/password": SIGNED_IN,
    "POST /v1/me/refresh": SIGNED_IN,
    "POST /v1/me/principals": SIGNED_IN,
    "DELETE /v1/me/principals/{id:.+}": SIGNED_IN,
    "DELETE /v1/me/tokens": SIGNED_IN,
    "GET /v1/overview": SIGNED_IN,
    "GET /v1/tokens": SIGNED_IN,
    "POST /v1/tokens": SIGNED_IN,
    "DELETE /v1/tokens/{name}": SIGNED_IN,
    "GET /v1/users": ADMINISTRATORS | AUDITOR,
    "POST /v1/users": ADMINISTRATORS,
    "GET /v1/users/{id}": ADMINISTRATORS | AUDITOR,
    "PATCH /v1/users/{id}": ADMINISTRATORS,
    "DELETE /v1/users/{id}": ADMINISTRATORS,
    "DELETE /v1/users/{id}/tokens": ADMINISTRATORS,
    "POST /v1/users/{id}/password": ADMINISTRATORS,
    "POST /v1/users/{id}/refresh": ADMINISTRATORS,
    "GET /v1/groups": SIGNED_IN,
    "GET /v1/groups/{id:.+}/members": ADMINISTRATORS | AUDITOR,
    "GET /v1/groups/{id:.+}/access": SIGNED_IN,
    "GET /v1/principals": PROJECT_OWNERS | {"standard"} | AUDITOR,
    "GET /v1/roles": SIGNED_IN,
    "POST /v1/roles": ADMINISTRATORS,
    "GET /v1/roles/{role}": SIGNED_IN,
    "PATCH /v1/roles/{role}": ADMINISTRATORS,
    "DELETE /v1/roles/{role}": ADMINISTRATORS,
    "GET /v1/permissions": SIGNED_IN,
    "GET /v1/bindings": ADMINISTRATORS | AUDITOR,
    "POST /v1/bindings": ADMINISTRATORS,
    "DELETE /v1/bindings/{binding}": ADMINISTRATORS,
    "POST /v1/providers": {"admin"},
    "GET /v1/providers/{name}": {"admin"} | AUDITOR,
    "PATCH /v1/providers/{name}": {"admin"},
    "DELETE /v1/providers/{name}": {"admin"},
    "POST /v1/providers/{name}/test": {"admin"},
    "GET /v1/provider-states": {"admin"} | AUDITOR,
    "GET /v1/provider-types": {"admin"} | AUDITOR,
    "POST /v1/provider-types/{type}/test": {"admin"},
    "GET /v1/clusters": SIGNED_IN,
    "POST /v1/clusters": ADMINISTRATORS | {"standard"},
    "GET /v1/provisioning/classes": SIGNED_IN,
    "GET /v1/clusters/{cluster}/machines": NODES | AUDITOR,
    "POST /v1/registrations": ADMINISTRATORS | {"standard"},
    "POST /v1/registrations/complete": PUBLIC,
    "GET /v1/clusters/{cluster}": IN_CLUSTER | AUDITOR,
    "PATCH /v1/clusters/{cluster}": OWNERS,
    "DELETE /v1/clusters/{cluster}": OWNERS,
    "POST /v1/clusters/{cluster}/agent": OWNERS,
    "POST /v1/clusters/{cluster}/agent/token": OWNERS,
    "GET /v1/clusters/{cluster}/provisioning": OWNERS | AUDITOR,
    "PUT /v1/clusters/{cluster}/provisioning": ADMINISTRATORS,
    "DELETE /v1/clusters/{cluster}/provisioning": ADMINISTRATORS,
    "GET /v1/clusters/{cluster}/kubeconfig": IN_CLUSTER,
    "POST /v1/clusters/{cluster}/kubeconfig": IN_CLUSTER,
    "GET /v1/kubeconfig": SIGNED_IN,
    "POST /v1/kubeconfig": SIGNED_IN,
    "GET /v1/clusters/{cluster}/members": OWNERS | AUDITOR,
    "POST /v1/clusters/{cluster}/members": OWNERS,
    "PUT /v1/clusters/{cluster}/members/{member}": OWNERS,
    "DELETE /v1/clusters/{cluster}/members/{member}": OWNERS,
    "GET /v1/clusters/{cluster}/nodes": NODES | AUDITOR,
    "GET /v1/nodes": SIGNED_IN,
    "GET /v1/clusters/{cluster}/events": NODES | AUDITOR,
    "GET /v1/clusters/{cluster}/usage": NODES | AUDITOR,
    "GET /v1/clusters/{cluster}/deprecations": NODES | AUDITOR,
    "GET /v1/clusters/{cluster}/workloads": IN_CLUSTER,
    "GET /v1/clusters/{cluster}/workloads/{namespace}/{kind}/{name}": IN_CLUSTER,
    "GET /v1/clusters/{cluster}/workloads/{namespace}/{kind}/{name}/logs": IN_CLUSTER,
    "POST /v1/workloads": SIGNED_IN,
    "POST /v1/clusters/{cluster}/workloads": IN_CLUSTER,
    f"GET {WORKLOAD}/actions": IN_CLUSTER,
    f"DELETE {WORKLOAD}": IN_CLUSTER,
    f"POST {WORKLOAD}/scale": IN_CLUSTER,
    f"POST {WORKLOAD}/image": IN_CLUSTER,
    f"POST {WORKLOAD}/pause": IN_CLUSTER,
    f"POST {WORKLOAD}/resume": IN_CLUSTER,
    f"POST {WORKLOAD}/restart": IN_CLUSTER,
    f"POST {WORKLOAD}/rollback": IN_CLUSTER,
    "GET /v1/me/access": SIGNED_IN,
    "GET /v1/requests/{request_id}/explanation": SIGNED_IN,
    "GET /v1/users/{id}/access": ADMINISTRATORS | AUDITOR,
    "GET /v1/clusters/{cluster}/who-can": IN_CLUSTER | AUDITOR,
    "GET /v1/clusters/{cluster}/reach": OWNERS | AUDITOR,
    "GET /v1/audit": SIGNED_IN,
    "GET /v1/namespaces": SIGNED_IN,
    "GET /v1/projects": SIGNED_IN,
    "POST /v1/projects": SIGNED_IN,
    "GET /v1/projects/{project}": IN_PROJECT | AUDITOR,
    "PATCH /v1/projects/{project}": PROJECT_OWNERS,
    "DELETE /v1/projects/{project}": PROJECT_OWNERS,
    "GET /v1/projects/{project}/usage": IN_PROJECT | AUDITOR,
    "GET /v1/projects/{project}/members": IN_PROJECT | AUDITOR,
    "POST /v1/projects/{project}/members": PROJECT_OWNERS,
    "PUT /v1/projects/{project}/members/{member}": PROJECT_OWNERS,
    "DELETE /v1/projects/{project}/members/{member}": PROJECT_OWNERS,
    "GET /v1/projects/{project}/namespaces": IN_PROJECT | AUDITOR,
    "POST /v1/projects/{project}/namespaces": PROJECT_MEMBERS,
    "PATCH /v1/projects/{project}/namespaces/{namespace}": PROJECT_OWNERS,
    "DELETE /v1/projects/{project}/namespaces/{namespace}": PROJECT_MEMBERS,
}

IN_THE_PATH = {
    "{provider}": "nope",
    "{id:.+}": "github_user://none",
    "{id}": "u-absent",
    "{cluster}": "prod",
    "{project}": "p-shop",
    "{member}": "absent",
    "{namespace}": "absent",
    "{role}": "r-absent",
    "{binding}": "b-absent",
    "{type}": "absent",
    "{kind}": "deployment",
    "{name}": "absent",
    "{request_id}": "absent",
}


def title(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def test_every_endpoint_has_a_line_in_the_expected_table() -> None:
    assert sorted(map(title, TABLE)) == sorted(MAY)


@pytest.mark.parametrize("endpoint", TABLE, ids=title)
async def test_endpoint_is_allowed_exactly_for_the_expected_roles(
    api: Api, endpoint: Endpoint
) -> None:
    """A permitted caller passes the table; the requests are invalid, so nothing changes."""
    path = endpoint.path
    for name, value in IN_THE_PATH.items():
        path = path.replace(name, value)
    got = set()
    for who in PUBLIC:
        response = await api(who, endpoint.method, path, {"\0": 1}, If_Match='"999"')
        hidden = response.status == 404 and any(
            words in response.body["detail"] for words in ("no access", '" that you may enter')
        )
        if response.status not in {401, 403} and not hidden:
            got.add(who)
        assert response.status < 500 or response.status == 502
    assert got == MAY[title(endpoint)]


async def test_every_route_comes_from_the_table(api: Api) -> None:
    for method, path in (("GET", "/v1/secrets"), ("PUT", "/v1/users"), ("DELETE", "/v1/clusters")):
        assert (await api("admin", method, path)).status in {404, 405}


@pytest.mark.parametrize("who", [one for one in HELD if one not in ADMINISTRATORS | AUDITOR])
async def test_other_clusters_and_projects_look_like_missing_ones(api: Api, who: str) -> None:
    for path in ("/v1/clusters/other", "/v1/clusters/other/members", "/v1/clusters/other/nodes"):
        responses = [
            await api(who, "GET", path.replace("other", name)) for name in ("other", "zzz")
        ]
        assert {one.status for one in responses} == {404}
        assert len({one.body["detail"].replace("other", "zzz") for one in responses}) == 1
    assert (await api(who, "GET", "/v1/projects/p-none")).status == 404
