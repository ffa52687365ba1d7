"""Every endpoint rejects a confined session, except for changing the password."""

from pathlib import Path

import pytest

from management.api.access_requirements import Public
from management.api.v1.route_table import TABLE, Endpoint
from management.identity.tokens import TokenSpec
from management.oauth.refresh_token import GRANT
from tests.management.api.conftest import Api
from tests.management.api.v1.test_route_table import IN_THE_PATH
from tests.support.other_connection import other_connection

ALLOWED = {"GET /v1/me", "POST /v1/me/password", "POST /v1/logout"}

BY_PROVIDER = {"GET /v1/login/{provider}/start", "GET /v1/login/{provider}/callback"}
"""GET endpoints of a provider's redirect; they store nothing before the provider's response."""

IN_CLUSTERS = "/v1/clusters/{cluster}/workloads"
"""Endpoints below ask the cluster, which does not run here."""


def title(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def path_of(endpoint: Endpoint) -> str:
    path = endpoint.path
    for name, value in {**IN_THE_PATH, "{id}": "u-admin", "{provider}": "local"}.items():
        path = path.replace(name, value)
    return path


@pytest.fixture
async def confined(api: Api) -> str:
    """Return the bearer of an administrator whose password must be changed."""
    admin = await api.store.users.get("u-admin")
    assert admin is not None
    return (await api.tokens.issue(admin, TokenSpec(kind="session", confined=True))).bearer


@pytest.mark.parametrize("endpoint", TABLE, ids=title)
async def test_confined_session_may_only_change_its_password(
    api: Api, confined: str, endpoint: Endpoint
) -> None:
    if isinstance(endpoint.requirement, Public):
        return  # needs no credential, and looks at none
    sent = {"Authorization": f"Bearer {confined}"}
    async with api.client.request(
        endpoint.method, path_of(endpoint), headers=sent, json={"\0": 1}
    ) as answer:
        if title(endpoint) in ALLOWED:
            assert answer.status in {200, 204, 422}
        else:
            assert answer.status == 403
            assert "change it first" in (await answer.json())["detail"]


async def test_confined_session_is_not_renewed(api: Api, confined: str) -> None:
    form = {"grant_type": GRANT, "refresh_token": confined}
    async with api.client.post("/v1/token", data=form) as answer:
        assert (answer.status, (await answer.json())["error"]) == (400, "invalid_grant")
    assert len(await api.store.tokens.list_for("u-admin")) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("who", ["admin", "c-owner", "p-member"])
async def test_get_requests_do_not_change_the_store(
    api: Api, tmp_path: Path, method: str, who: str
) -> None:
    sent = {"Authorization": f"Bearer {await api.bearer(who)}"}
    for endpoint in TABLE:
        if endpoint.method != "GET":
            continue
        before = await dump(tmp_path / "store.db")
        for query in ("", "?exec=false", "?exec=true"):
            async with api.client.request(
                method, path_of(endpoint) + query, headers=sent, allow_redirects=False
            ) as answer:
                away = title(endpoint) in BY_PROVIDER or endpoint.path.startswith(IN_CLUSTERS)
                assert answer.status < 500 or away
        assert await dump(tmp_path / "store.db") == before, title(endpoint)


async def dump(database: Path) -> list[str]:
    async with other_connection(database) as connection:
        return [line async for line in connection.iterdump()]
