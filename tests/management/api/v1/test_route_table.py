"""Who may call what: every endpoint by somebody in every role, compared with the table below."""

import pytest

from management.api.table import TABLE, Endpoint
from tests.management.api.conftest import HELD, Api

ANYBODY = {None, *HELD}
SIGNED_IN = set(HELD)
ADMINISTRATORS = {"admin", "restricted"}
OWNERS = ADMINISTRATORS | {"c-owner"}
IN_CLUSTER = OWNERS | {"c-member", "c-reader", "p-owner", "p-member", "p-reader"}
NODES = OWNERS | {"c-member", "c-reader"}
PROJECT_OWNERS = OWNERS | {"p-owner"}
PROJECT_MEMBERS = PROJECT_OWNERS | {"p-member"}
IN_PROJECT = PROJECT_MEMBERS | {"p-reader"}

MAY = {
    "GET /v1/providers": ANYBODY,
    "POST /v1/login/{provider}": ANYBODY,
    "POST /v1/login/{provider}/device": ANYBODY,
    "GET /v1/login/{provider}/start": ANYBODY,
    "GET /v1/login/{provider}/callback": ANYBODY,
    "POST /v1/login/{provider}/backchannel-logout": ANYBODY,
    "POST /v1/token": ANYBODY,
    "POST /v1/logout": SIGNED_IN,
    "GET /v1/me": SIGNED_IN,
    "POST /v1/me/password": SIGNED_IN,
    "POST /v1/me/refresh": SIGNED_IN,
    "POST /v1/me/principals": SIGNED_IN,
    "DELETE /v1/me/principals/{id:.+}": SIGNED_IN,
    "DELETE /v1/me/tokens": SIGNED_IN,
    "GET /v1/tokens": SIGNED_IN,
    "POST /v1/tokens": SIGNED_IN,
    "DELETE /v1/tokens/{name}": SIGNED_IN,
    "GET /v1/users": ADMINISTRATORS,
    "POST /v1/users": ADMINISTRATORS,
    "GET /v1/users/{id}": ADMINISTRATORS,
    "PATCH /v1/users/{id}": ADMINISTRATORS,
    "DELETE /v1/users/{id}": ADMINISTRATORS,
    "DELETE /v1/users/{id}/tokens": ADMINISTRATORS,
    "POST /v1/users/{id}/password": ADMINISTRATORS,
    "POST /v1/users/{id}/refresh": ADMINISTRATORS,
    "GET /v1/groups": SIGNED_IN,
    "GET /v1/principals": PROJECT_OWNERS | {"standard"},
    "GET /v1/roles": SIGNED_IN,
    "POST /v1/roles": ADMINISTRATORS,
    "GET /v1/roles/{role}": SIGNED_IN,
    "PATCH /v1/roles/{role}": ADMINISTRATORS,
    "DELETE /v1/roles/{role}": ADMINISTRATORS,
    "GET /v1/bindings": ADMINISTRATORS,
    "POST /v1/bindings": ADMINISTRATORS,
    "DELETE /v1/bindings/{binding}": ADMINISTRATORS,
    "POST /v1/providers": {"admin"},
    "GET /v1/providers/{name}": {"admin"},
    "PATCH /v1/providers/{name}": {"admin"},
    "DELETE /v1/providers/{name}": {"admin"},
    "POST /v1/providers/{name}/test": {"admin"},
    "GET /v1/clusters": SIGNED_IN,
    "POST /v1/clusters": ADMINISTRATORS | {"standard"},
    "POST /v1/registrations": ADMINISTRATORS | {"standard"},
    "POST /v1/registrations/complete": ANYBODY,
    "GET /v1/clusters/{cluster}": IN_CLUSTER,
    "PATCH /v1/clusters/{cluster}": OWNERS,
    "DELETE /v1/clusters/{cluster}": OWNERS,
    "GET /v1/clusters/{cluster}/kubeconfig": IN_CLUSTER,
    "POST /v1/clusters/{cluster}/kubeconfig": IN_CLUSTER,
    "GET /v1/kubeconfig": SIGNED_IN,
    "POST /v1/kubeconfig": SIGNED_IN,
    "GET /v1/clusters/{cluster}/members": OWNERS,
    "POST /v1/clusters/{cluster}/members": OWNERS,
    "PUT /v1/clusters/{cluster}/members/{member}": OWNERS,
    "DELETE /v1/clusters/{cluster}/members/{member}": OWNERS,
    "GET /v1/clusters/{cluster}/nodes": NODES,
    "GET /v1/nodes": SIGNED_IN,
    "GET /v1/projects": SIGNED_IN,
    "POST /v1/projects": SIGNED_IN,
    "GET /v1/projects/{project}": IN_PROJECT,
    "PATCH /v1/projects/{project}": PROJECT_OWNERS,
    "DELETE /v1/projects/{project}": PROJECT_OWNERS,
    "GET /v1/projects/{project}/members": IN_PROJECT,
    "POST /v1/projects/{project}/members": PROJECT_OWNERS,
    "PUT /v1/projects/{project}/members/{member}": PROJECT_OWNERS,
    "DELETE /v1/projects/{project}/members/{member}": PROJECT_OWNERS,
    "GET /v1/projects/{project}/namespaces": IN_PROJECT,
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
    "{name}": "absent",
}


def title(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def test_every_endpoint_has_its_line_here() -> None:
    assert sorted(map(title, TABLE)) == sorted(MAY)


@pytest.mark.parametrize("endpoint", TABLE, ids=title)
async def test_who_may_call_it(api: Api, endpoint: Endpoint) -> None:
    """Whoever may gets past the table; nothing is done, for what is asked is never quite right."""
    path = endpoint.path
    for name, value in IN_THE_PATH.items():
        path = path.replace(name, value)
    got = set()
    for who in ANYBODY:
        answer = await api(who, endpoint.method, path, {"\0": 1}, If_Match='"999"')
        hidden = answer.status == 404 and "no access" in answer.body["detail"]
        if answer.status not in {401, 403} and not hidden:
            got.add(who)
        assert answer.status < 500 or answer.status == 502
    assert got == MAY[title(endpoint)]


async def test_what_is_not_in_the_table_is_not_there(api: Api) -> None:
    for method, path in (("GET", "/v1/secrets"), ("PUT", "/v1/users"), ("DELETE", "/v1/clusters")):
        assert (await api("admin", method, path)).status in {404, 405}


@pytest.mark.parametrize("who", [one for one in HELD if one not in ADMINISTRATORS])
async def test_another_cluster_and_its_projects_look_like_none(api: Api, who: str) -> None:
    for path in ("/v1/clusters/other", "/v1/clusters/other/members", "/v1/clusters/other/nodes"):
        answers = [await api(who, "GET", path.replace("other", name)) for name in ("other", "zzz")]
        assert {one.status for one in answers} == {404}
        assert len({one.body["detail"].replace("other", "zzz") for one in answers}) == 1
    assert (await api(who, "GET", "/v1/projects/p-none")).status == 404
