"""Authentication of bearers, and when their entries in the cache are revalidated."""

import asyncio
import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from management.authentication.token_authenticator import TokenAuthenticator
from store.database import SqlStore
from store.errors import StoreUnavailable
from store.records import Membership, Principal
from tests.management.authentication.bearers import BEARER, furnish, remembered
from tests.store.records import a_cluster, a_token, a_user, let_in


async def test_live_token_returns_its_user_and_access(
    store: SqlStore, resolver: TokenAuthenticator
) -> None:
    await furnish(store)
    await store.clusters.create(a_cluster())
    await let_in(store, "c-prod", "u-alice")
    await store.users.set_memberships("u-alice", "x", [Membership("x_group://1", "x", "One")])
    found = await resolver.resolve(BEARER)
    assert found is not None
    assert found.identity.user_id == "u-alice"
    assert [group.id for group in found.identity.groups] == ["x_group://1"]
    assert found.access.roles == {"c-prod": ("cluster-member",)}


@pytest.mark.parametrize(
    "bearer",
    [b"", b"token-a", b"token-a:", b":secret", b"token-a:wrong", b"\xff:x", b"a:" + b"x" * 600],
)
async def test_invalid_bearer_returns_none(
    store: SqlStore, resolver: TokenAuthenticator, bearer: bytes
) -> None:
    await furnish(store)
    assert await resolver.resolve(bearer) is None


async def test_cached_token_expires_in_the_cache(
    store: SqlStore, resolver: TokenAuthenticator
) -> None:
    await furnish(store, expires_at=datetime.now(UTC) + timedelta(seconds=3))
    assert await resolver.resolve(BEARER) is not None
    async with asyncio.timeout(60):
        while await resolver.resolve(BEARER) is not None:
            await asyncio.sleep(0.02)
    assert resolver.cached(BEARER) is None


async def test_concurrent_requests_make_one_query(
    store: SqlStore, resolver: TokenAuthenticator
) -> None:
    await furnish(store)
    asked = 0
    original = store.tokens.resolve

    async def counted(name: str) -> Any:
        nonlocal asked
        asked += 1
        return await original(name)

    store.tokens.resolve = counted  # type: ignore[method-assign]
    found = await asyncio.gather(*(resolver.resolve(BEARER) for _ in range(50)))
    assert all(found)
    assert asked == 1


async def test_cached_entry_is_revalidated_in_the_background(
    store: SqlStore, resolver: TokenAuthenticator
) -> None:
    """Only the first request waits for the store."""
    await furnish(store)
    first = await remembered(resolver)
    first.revalidate_at = 0.0
    assert [resolver.cached(BEARER) for _ in range(3)] == [first] * 3
    async with asyncio.timeout(60):
        while resolver.cached(BEARER) is first:
            await asyncio.sleep(0.01)
    second = resolver.cached(BEARER)
    assert second is not None
    assert second.trusted_until > first.trusted_until
    assert resolver.misses == 1


async def test_entry_missing_at_its_revalidation_is_dropped(
    store: SqlStore, resolver: TokenAuthenticator
) -> None:
    """The revalidation finds the change, although the store announced none."""
    await furnish(store)
    entry = await remembered(resolver)

    async def gone(name: str) -> Any:
        return None

    store.tokens.resolve = gone  # type: ignore[method-assign]
    entry.revalidate_at = 0.0
    async with asyncio.timeout(60):
        while resolver.cached(BEARER) is not None:
            await asyncio.sleep(0.01)
    assert await resolver.resolve(BEARER) is None


async def test_store_failure_at_a_revalidation_keeps_the_entry(
    store: SqlStore, resolver: TokenAuthenticator
) -> None:
    await furnish(store)
    entry = await remembered(resolver)
    asked = asyncio.Event()

    async def away(name: str) -> Any:
        asked.set()
        raise StoreUnavailable("away")

    store.tokens.resolve = away  # type: ignore[method-assign]
    entry.revalidate_at = 0.0
    assert resolver.cached(BEARER) is entry
    await asyncio.wait_for(asked.wait(), 60)
    await asyncio.sleep(0)
    assert resolver.cached(BEARER) is entry
    entry.trusted_until = 0.0
    with pytest.raises(StoreUnavailable):
        await resolver.resolve(BEARER)


async def test_cancelled_request_does_not_fail_the_others(
    store: SqlStore, resolver: TokenAuthenticator
) -> None:
    await furnish(store)
    first, second = (asyncio.ensure_future(resolver.resolve(BEARER)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second is not None


async def test_reserved_name_in_the_store_authenticates_no_user(
    store: SqlStore, resolver: TokenAuthenticator
) -> None:
    evil = replace(a_user(), principals=(Principal("x://1", "x", "system:admin"),))
    await store.users.create(evil)
    digest = hashlib.sha256(BEARER).digest()
    await store.tokens.create(a_token(digest=digest, principal_id="x://1", expires_at=None))
    assert await resolver.resolve(BEARER) is None
