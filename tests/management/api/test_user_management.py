"""No caller acts on a user who holds more: checked for every endpoint and kind of grant."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from management.api.access_requirements import OverToken, OverTokensOf, OverUser
from management.api.v1.route_table import TABLE, Endpoint
from store.access_records import Role
from store.interfaces import Store
from store.records import Membership
from tests.management.api.conftest import Api
from tests.store.records import NOW, a_binding, a_token, a_user

ON_ONESELF = {
    "POST /v1/logout",
    "GET /v1/me",
    "POST /v1/me/password",
    "POST /v1/me/refresh",
    "POST /v1/me/principals",
    "DELETE /v1/me/principals/{id:.+}",
    "DELETE /v1/me/tokens",
    "POST /v1/tokens",
    "POST /v1/projects",
    "GET /v1/clusters/{cluster}/kubeconfig",
    "POST /v1/clusters/{cluster}/kubeconfig",
    "GET /v1/kubeconfig",
    "POST /v1/kubeconfig",
}
"""Endpoints that act on the caller only."""

BY_PROOF = {
    "POST /v1/login/{provider}",
    "POST /v1/login/{provider}/device",
    "GET /v1/login/{provider}/start",
    "GET /v1/login/{provider}/callback",
    "POST /v1/login/{provider}/backchannel-logout",
    "POST /v1/token",
    "POST /v1/registrations/complete",
}
"""Endpoints that act on a user who has just authenticated, or whom the provider names."""

SHOWS = {"GET /v1/users", "GET /v1/users/{id}", "GET /v1/users/{id}/access", "GET /v1/me/access"}
"""Endpoints that only show a user's record, or what the user holds."""

IN_A_PLACE = ("/v1/clusters", "/v1/projects", "/v1/bindings")
"""Endpoints for members: a caller removes only what the caller could grant."""

ELSEWHERE = (
    "/v1/providers",
    "/v1/roles",
    "/v1/groups",
    "/v1/principals",
    "/v1/nodes",
    "/v1/workloads",
    "/v1/namespaces",
    "/v1/permissions",
    "/v1/provider-",
    "/v1/provisioning/",
    "/v1/overview",
    "/v1/requests",
    "/v1/audit",
)

PERSONAL = [
    one for one in TABLE if isinstance(one.requirement, OverUser | OverToken | OverTokensOf)
]

OWNS = ("cluster-owner", "c-other", None)
MORE: dict[str, Callable[[Store], Awaitable[object]]] = {
    "overall": lambda store: store.bindings.create(a_binding("u-rich", "made", None)),
    "administrator": lambda store: store.bindings.create(
        a_binding("u-rich", "administrator", None)
    ),
    "cluster": lambda store: store.bindings.create(a_binding("u-rich", "cluster-owner", "c-prod")),
    "cluster-reader": lambda store: store.bindings.create(
        a_binding("u-rich", "cluster-read-only", "c-prod")
    ),
    "cluster-enters": lambda store: store.bindings.create(a_binding("u-rich", "empty", "c-prod")),
    "project": lambda store: store.bindings.create(
        a_binding("u-rich", "project-read-only", "c-prod", "p-shop")
    ),
    "group": lambda store: store.bindings.create(
        a_binding("ldap_group://7", "cluster-owner", "c-prod")
    ),
    "group-overall": lambda store: store.bindings.create(
        a_binding("ldap_group://7", "standard-user", None)
    ),
    "group-project": lambda store: store.bindings.create(
        a_binding("ldap_group://7", "project-owner", "c-prod", "p-shop")
    ),
}
"""Grants that the target may hold and the caller, who only manages users, does not."""

BODIES = {
    "POST /v1/users/{id}/password": {"new_password": "a password of the manager's"},
    "PATCH /v1/users/{id}": {"enabled": False},
}


def title(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def path_of(endpoint: Endpoint) -> str:
    path = endpoint.path.replace("{id}", "u-rich").replace("{name}", "token-rich")
    return path + "?user=u-rich" if isinstance(endpoint.requirement, OverTokensOf) else path


def body_of(endpoint: Endpoint) -> object:
    return BODIES.get(title(endpoint), None if endpoint.method in {"GET", "DELETE"} else {})


@pytest.fixture
async def people(api: Api) -> Api:
    """The caller ``plain`` manages users; ``rich`` is in a group and has a token."""
    store = api.store
    for role_id, scope, permissions in (
        ("managing", "global", ("users.manage",)),
        ("made", "global", ("users.manage", "roles.manage")),
        ("empty", "cluster", ()),
    ):
        await store.roles.create(
            Role(role_id, scope, role_id, permissions=permissions, created_at=NOW)  # type: ignore[arg-type]
        )
    await store.bindings.create(a_binding("u-plain", "managing", None))
    await store.users.create(a_user("rich"))
    await store.users.set_memberships(
        "u-rich", "ldap", [Membership("ldap_group://7", "ldap", "crew")]
    )
    await store.tokens.create(a_token("token-rich", "u-rich"))
    return api


def test_every_endpoint_declares_whether_it_acts_on_a_user() -> None:
    for one in TABLE:
        acts = one in PERSONAL
        known = (
            title(one) in ON_ONESELF | BY_PROOF | SHOWS
            or one.path.startswith((*IN_A_PLACE, *ELSEWHERE))
            or title(one) in {"POST /v1/users", "POST /v1/registrations"}
        )
        assert acts != known, f"{title(one)}: give it OverUser, or list it here"


def test_endpoints_below_a_user_require_access_to_that_user() -> None:
    for one in TABLE:
        if one.path.startswith("/v1/users/{id}") and title(one) not in SHOWS:
            assert isinstance(one.requirement, OverUser)


@pytest.mark.parametrize("more", MORE)
@pytest.mark.parametrize("endpoint", PERSONAL, ids=title)
async def test_acting_on_a_user_who_holds_more_is_rejected(
    people: Api, endpoint: Endpoint, more: str
) -> None:
    await MORE[more](people.store)
    before = await everything_of(people.store)
    response = await people(
        "plain", endpoint.method, path_of(endpoint), body_of(endpoint), If_Match='"1"'
    )
    assert response.status == 403, response.body
    assert await everything_of(people.store) == before


@pytest.mark.parametrize("endpoint", PERSONAL, ids=title)
async def test_acting_on_a_user_who_holds_no_more_is_allowed(
    people: Api, endpoint: Endpoint
) -> None:
    response = await people(
        "plain", endpoint.method, path_of(endpoint), body_of(endpoint), If_Match='"1"'
    )
    # This application has no identity refresher.
    assert response.status in ({404} if endpoint.path.endswith("/refresh") else {200, 204})


@pytest.mark.parametrize("more", MORE)
async def test_grant_gained_after_the_check_counts_in_the_transaction(
    people: Api, more: str
) -> None:
    """The body arrives after the first check, and the new grant between the two."""
    host, port = people.client.host, people.client.port
    body = json.dumps(BODIES["POST /v1/users/{id}/password"]).encode()
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(
        b"POST /v1/users/u-rich/password HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Expect: 100-continue\r\n"
        b"Authorization: Bearer " + (await people.bearer("plain")).encode() + b"\r\n"
        b"Connection: close\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n"
    )
    assert (await reader.readline()).startswith(b"HTTP/1.1 100")
    await MORE[more](people.store)
    writer.write(body)
    response = await reader.read()
    writer.close()
    assert b" 403 " in response.splitlines()[1 if response.startswith(b"\r\n") else 0]
    assert await people.store.users.password("rich") is None


async def everything_of(store: Store) -> object:
    return (
        await store.users.get("u-rich"),
        await store.users.password("rich"),
        await store.tokens.list_for("u-rich"),
    )
