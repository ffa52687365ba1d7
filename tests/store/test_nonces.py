"""Tests of nonces and of shortened tokens, over both databases."""

import asyncio
from datetime import timedelta

from store.database import SqlStore
from tests.store.records import NOW, a_token, a_user


async def test_nonce_is_accepted_once(store: SqlStore) -> None:
    assert await store.nonces.spend("code-1", NOW)
    assert not await store.nonces.spend("code-1", NOW)
    assert await store.nonces.spend("code-2", NOW)


async def test_concurrent_uses_of_nonce_accept_one(store: SqlStore) -> None:
    tries = await asyncio.gather(*(store.nonces.spend("code", NOW) for _ in range(10)))
    assert sorted(tries) == [False] * 9 + [True]


async def test_expired_nonces_are_deleted(store: SqlStore) -> None:
    await store.nonces.spend("old", NOW - timedelta(hours=1))
    await store.nonces.spend("new", NOW + timedelta(hours=1))
    assert await store.nonces.clear(NOW) == 1
    assert not await store.nonces.spend("new", NOW)


async def test_any_text_is_accepted_as_nonce(store: SqlStore) -> None:
    assert await store.nonces.spend("\0\ud800", NOW)


async def test_shorten_token_never_extends_it(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.tokens.create(a_token(expires_at=NOW + timedelta(hours=8), signed_in_at=NOW))
    earlier = NOW + timedelta(minutes=1)
    assert await store.tokens.shorten("token-a", earlier)
    assert not await store.tokens.shorten("token-a", NOW + timedelta(hours=1))
    assert not await store.tokens.shorten("token-b", earlier)
    token = await store.tokens.get("token-a")
    assert token is not None
    assert token.expires_at == earlier
    assert token.signed_in_at == NOW


async def test_shorten_token_without_expiry_sets_one(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.tokens.create(a_token(expires_at=None))
    assert await store.tokens.shorten("token-a", NOW)
