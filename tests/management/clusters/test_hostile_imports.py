"""Hostile input of users who may import clusters costs little and reveals nothing."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from management.identity.tokens import TokenSpec
from store.interfaces import Store
from tests.config.test_bounded_readers import JSON_BOMBS, YAML_BOMBS
from tests.management.conftest import user
from tests.store import records
from tests.support.management_app import Client, make_token_issuer, serve_management


@pytest.fixture
async def client(store: Store) -> AsyncIterator[Client]:
    """The management application on a loopback port. alice may import clusters."""
    async with serve_management(store, make_token_issuer(store)) as client:
        await store.bindings.create(records.a_binding(user("alice").id, "standard-user", None))
        found = await store.users.get(user("alice").id)
        assert found is not None
        tokens = make_token_issuer(store)
        bearer = (
            await tokens.issue(found, TokenSpec(kind="session", ttl=timedelta(hours=1)))
        ).bearer
        client.session.headers["Authorization"] = f"Bearer {bearer}"
        yield client


async def said(client: Client, method: str, path: str, raw: bytes) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json"}
    async with client.request(method, path, data=raw, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


@pytest.mark.parametrize("name", YAML_BOMBS)
async def test_kubeconfig_bomb_is_rejected(client: Client, name: str) -> None:
    text = YAML_BOMBS[name]
    body = json.dumps({"name": "x", "kubeconfig": text[:59_000]}).encode()
    status, answer = await said(client, "POST", "/v1/clusters", body)
    assert status in {400, 413, 422}, answer


@pytest.mark.parametrize("name", JSON_BOMBS)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/clusters"), ("POST", "/v1/login/local"), ("POST", "/v1/registrations/complete")],
)
async def test_body_bomb_is_rejected(client: Client, method: str, path: str, name: str) -> None:
    status, answer = await said(client, method, path, JSON_BOMBS[name].encode())
    assert status in {400, 404}, answer


@pytest.mark.parametrize(
    "config",
    [
        {"current-context": ["a"]},
        {"current-context": {"a": "b"}, "contexts": []},
        {"current-context": "a", "contexts": [{"name": "a", "context": {"cluster": ["x"]}}]},
        {"current-context": "a", "contexts": {"a": 1}},
        {"current-context": "a", "contexts": [1, "x", None]},
        {"clusters": [{"name": 1, "cluster": []}]},
        {"clusters": "x", "users": 1},
        [],
        "text",
        12,
        None,
    ],
    ids=str,
)
async def test_kubeconfig_with_wrong_types_is_rejected(client: Client, config: object) -> None:
    body = json.dumps({"name": "x", "kubeconfig": json.dumps(config)}).encode()
    status, answer = await said(client, "POST", "/v1/clusters", body)
    assert status == 422, answer
