"""A request with an Idempotency-Key runs once."""

import asyncio
from datetime import timedelta

import pytest

from management.identity.tokens import TokenSpec
from store.database import SqlStore
from store.encryption import Keyring, generate_key
from store.interfaces import Store
from tests.management.api.conftest import Api

NEW = {"username": "dora", "display_name": "Dora"}


async def test_repeated_request_with_a_key_creates_once(api: Api, store: Store) -> None:
    first = await api("admin", "POST", "/v1/users", NEW, Idempotency_Key="k1")
    again = await api("admin", "POST", "/v1/users", NEW, Idempotency_Key="k1")
    assert (first.status, again.status) == (201, 201)
    assert first.body == again.body
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len([one for one in await store.users.list_all() if one.username == "dora"]) == 1


async def test_repeated_token_request_returns_the_same_token_to_its_caller(
    api: Api, store: Store
) -> None:
    first = await api("plain", "POST", "/v1/tokens", {}, Idempotency_Key="k1")
    again = await api("plain", "POST", "/v1/tokens", {}, Idempotency_Key="k1")
    assert first.body["token"] == again.body["token"]
    others = await api("standard", "POST", "/v1/tokens", {}, Idempotency_Key="k1")
    assert others.body["token"] != first.body["token"]


async def test_key_used_for_another_request_is_rejected(api: Api) -> None:
    await api("admin", "POST", "/v1/users", NEW, Idempotency_Key="k1")
    other = await api("admin", "POST", "/v1/users", {"username": "eve"}, Idempotency_Key="k1")
    assert (other.status, "another request" in other.body["detail"]) == (422, True)


async def test_concurrent_requests_with_one_key_create_once(api: Api, store: Store) -> None:
    responses = await asyncio.gather(
        *(api("admin", "POST", "/v1/users", NEW, Idempotency_Key="k1") for _ in range(8))
    )
    assert {one.status for one in responses} <= {201, 409}
    assert len([one for one in await store.users.list_all() if one.username == "dora"]) == 1


async def test_request_whose_response_no_key_opens_is_not_run_again(
    api: Api, store: SqlStore
) -> None:
    created = await api("admin", "POST", "/v1/users", NEW, Idempotency_Key="k1")
    assert created.status == 201
    store.idempotency_records._keyring = Keyring.parse(generate_key())
    again = await api("admin", "POST", "/v1/users", NEW, Idempotency_Key="k1")
    assert (again.status, "Retry-After" in again.headers) == (409, False)
    assert "ended with status 201, but no encryption key opens" in again.body["detail"]


async def test_failed_request_may_be_retried_with_its_key(api: Api) -> None:
    bad = await api("admin", "POST", "/v1/users", {"username": ""}, Idempotency_Key="k1")
    assert bad.status == 422
    good = await api("admin", "POST", "/v1/users", NEW, Idempotency_Key="k1")
    assert good.status == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
async def test_invalid_key_is_rejected(api: Api, key: str) -> None:
    assert (await api("admin", "POST", "/v1/users", NEW, Idempotency_Key=key)).status == 422


async def test_response_of_a_session_is_not_replayed_to_a_token(api: Api) -> None:
    """The response has a token that outlives the requesting one."""
    body, path = {"description": "long"}, "/v1/tokens"
    made = await api("plain", "POST", path, body, Idempotency_Key="1")
    assert made.status == 201
    user = await api.store.users.get("u-plain")
    assert user is not None
    short = await api.tokens.issue(user, TokenSpec(kind="token", ttl=timedelta(hours=1)))
    sent = {"Authorization": f"Bearer {short.bearer}", "Idempotency-Key": "1"}
    async with api.client.post(path, headers=sent, json=body) as answer:
        other = await answer.json()
    assert other["token"] != made.body["token"]
    assert other["parent"] == short.token.name
