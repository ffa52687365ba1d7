"""The tokens of kubeconfigs: scope and end as requested, and never more than the caller's."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from store.records import Token
from tests.management.api.conftest import Api

PATHS = ("/v1/clusters/prod/kubeconfig", "/v1/kubeconfig")


async def token_in(api: Api, kubeconfig: str) -> Token:
    """Return the stored token of a kubeconfig."""
    bearer = yaml.safe_load(kubeconfig)["users"][0]["user"]["token"]
    found = await api.store.tokens.get(bearer.partition(":")[0])
    assert found is not None
    return found


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("body", "read_only", "proxy_read"),
    [
        (None, False, False),
        ({}, False, False),
        ({"read_only": True}, True, False),
        ({"proxy_read": True}, True, True),
    ],
)
async def test_kubeconfig_token_has_the_requested_scope(
    api: Api, path: str, body: Any, *, read_only: bool, proxy_read: bool
) -> None:
    for headers in ({}, {"Idempotency_Key": "once"}):
        made = await api("c-reader", "POST", path, body, **headers)
        token = await token_in(api, made.body)
        assert (token.read_only, token.proxy_read) == (read_only, proxy_read)
        assert (token.kind, token.clusters) == ("kubeconfig", ("c-prod",))


@pytest.mark.parametrize("path", PATHS)
async def test_scope_of_a_request_with_an_idempotency_key_is_honoured(api: Api, path: str) -> None:
    """Its body was read before the endpoint runs."""
    key = path.replace("/", "-")
    made = await api("c-reader", "POST", path, {"read_only": True}, Idempotency_Key=key)
    assert (await token_in(api, made.body)).read_only


@pytest.mark.parametrize("path", PATHS)
async def test_kubeconfig_token_ends_when_requested(api: Api, path: str) -> None:
    made = await api("c-reader", "POST", path, {"ttl": "8h"})
    ends = (await token_in(api, made.body)).expires_at
    assert ends is not None
    left = ends - datetime.now(UTC)
    assert timedelta(hours=7, minutes=50) < left <= timedelta(hours=8)


@pytest.mark.parametrize(
    "body", [{"ttl": "900d"}, {"ttl": "soon"}, {"ttl": 5}, {"clusters": []}, []]
)
async def test_kubeconfig_with_an_invalid_body_is_refused_and_creates_no_token(
    api: Api, body: Any
) -> None:
    before = len(await api.store.tokens.list_for("u-c-reader"))
    for path in PATHS:
        assert (await api("c-reader", "POST", path, body)).status == 422, path
    kinds = [one.kind for one in await api.store.tokens.list_for("u-c-reader")]
    assert (len(kinds) - before, "kubeconfig" in kinds) == (len(PATHS), False)
