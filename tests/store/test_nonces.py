"""Values that are good once, and tokens that end sooner: one suite over both databases."""

import asyncio
from datetime import timedelta

from store.database import SqlStore
from tests.store.records import NOW, a_token, a_user


async def test_a_value_is_good_once(store: SqlStore) -> None:
    assert await store.one_time.spend("code-1", NOW)
    assert not await store.one_time.spend("code-1", NOW)
    assert await store.one_time.spend("code-2", NOW)


async def test_of_many_who_spend_it_at_once_one_succeeds(store: SqlStore) -> None:
    tries = await asyncio.gather(*(store.one_time.spend("code", NOW) for _ in range(10)))
    assert sorted(tries) == [False] * 9 + [True]


async def test_what_ended_is_forgotten(store: SqlStore) -> None:
    await store.one_time.spend("old", NOW - timedelta(hours=1))
    await store.one_time.spend("new", NOW + timedelta(hours=1))
    assert await store.one_time.clear(NOW) == 1
    assert not await store.one_time.spend("new", NOW)


async def test_any_text_can_be_spent(store: SqlStore) -> None:
    assert await store.one_time.spend("\0\ud800", NOW)


async def test_a_token_ends_sooner_but_never_later(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.tokens.create(a_token(expires_at=NOW + timedelta(hours=8), signed_in_at=NOW))
    sooner = NOW + timedelta(minutes=1)
    assert await store.tokens.shorten("token-a", sooner)
    assert not await store.tokens.shorten("token-a", NOW + timedelta(hours=1))
    assert not await store.tokens.shorten("token-b", sooner)
    token = await store.tokens.get("token-a")
    assert token is not None
    assert token.expires_at == sooner
    assert token.signed_in_at == NOW


async def test_a_token_without_an_end_gets_one(store: SqlStore) -> None:
    await store.users.create(a_user())
    await store.tokens.create(a_token(expires_at=None))
    assert await store.tokens.shorten("token-a", NOW)
