"""A request with a key of the client's own is carried out once."""

import asyncio

import pytest

from store.interfaces import Store
from tests.management.api.conftest import Api

NEW = {"username": "dora", "display_name": "Dora"}


async def test_the_same_request_twice_makes_one(api: Api, store: Store) -> None:
    first = await api("admin", "POST", "/v1/users", NEW, Idempotency_Key="k1")
    again = await api("admin", "POST", "/v1/users", NEW, Idempotency_Key="k1")
    assert (first.status, again.status) == (201, 201)
    assert first.body == again.body
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len([one for one in await store.users.list_all() if one.username == "dora"]) == 1


async def test_a_token_is_given_again_to_whoever_asked_for_it(api: Api, store: Store) -> None:
    first = await api("nobody", "POST", "/v1/tokens", {}, Idempotency_Key="k1")
    again = await api("nobody", "POST", "/v1/tokens", {}, Idempotency_Key="k1")
    assert first.body["token"] == again.body["token"]
    others = await api("standard", "POST", "/v1/tokens", {}, Idempotency_Key="k1")
    assert others.body["token"] != first.body["token"]


async def test_a_key_is_for_one_request(api: Api) -> None:
    await api("admin", "POST", "/v1/users", NEW, Idempotency_Key="k1")
    other = await api("admin", "POST", "/v1/users", {"username": "eve"}, Idempotency_Key="k1")
    assert (other.status, "another request" in other.body["detail"]) == (422, True)


async def test_many_at_once_make_one(api: Api, store: Store) -> None:
    answers = await asyncio.gather(
        *(api("admin", "POST", "/v1/users", NEW, Idempotency_Key="k1") for _ in range(8))
    )
    assert {one.status for one in answers} <= {201, 409}
    assert len([one for one in await store.users.list_all() if one.username == "dora"]) == 1


async def test_what_failed_may_be_tried_again(api: Api) -> None:
    bad = await api("admin", "POST", "/v1/users", {"username": ""}, Idempotency_Key="k1")
    assert bad.status == 422
    good = await api("admin", "POST", "/v1/users", NEW, Idempotency_Key="k1")
    assert good.status == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
async def test_a_key_that_is_none_is_refused(api: Api, key: str) -> None:
    assert (await api("admin", "POST", "/v1/users", NEW, Idempotency_Key=key)).status == 422
