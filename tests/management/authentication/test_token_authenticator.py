"""Authentication of bearers: the cache, and when its entries are invalid."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from management.authentication.authenticated_token import AuthenticatedToken, concerns
from management.authentication.token_authenticator import TokenAuthenticator
from store.access_records import Project
from store.database import SqlStore, open_store
from store.encryption import Keyring
from store.errors import StoreUnavailable
from store.records import Change, Membership, Principal
from tests.store.records import NOW, a_binding, a_cluster, a_token, a_user, let_in

BEARER = b"token-a:secret"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    opened = await open_store(f"sqlite:///{tmp_path / 'x.db'}", Keyring([b"k" * 32]))
    yield opened
    await opened.close()


@pytest.fixture
async def resolver(store: SqlStore) -> AsyncIterator[TokenAuthenticator]:
    made = TokenAuthenticator(store)
    following = asyncio.create_task(made.follow_changes())
    async with asyncio.timeout(60):
        while not store.changes.live:
            await asyncio.sleep(0.01)
    yield made
    following.cancel()


async def furnish(store: SqlStore, **token: Any) -> None:
    await store.users.create(a_user())
    values: dict[str, Any] = {
        "digest": hashlib.sha256(BEARER).digest(),
        "expires_at": datetime.now(UTC) + timedelta(hours=1),
    }
    await store.tokens.create(a_token(**(values | token)))


async def remembered(resolver: TokenAuthenticator) -> AuthenticatedToken:
    """Return the entry of the token that :func:`furnish` created."""
    entry = await resolver.resolve(BEARER)
    assert entry is not None
    return entry


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
    await furnish(store, expires_at=datetime.now(UTC) + timedelta(seconds=0.3))
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


@pytest.mark.parametrize("change", ["revoke", "disable", "regroup", "grant", "delete"])
async def test_relevant_changes_drop_the_entry(
    store: SqlStore, resolver: TokenAuthenticator, change: str
) -> None:
    await furnish(store)
    await store.clusters.create(a_cluster())
    assert await resolver.resolve(BEARER) is not None
    if change == "revoke":
        await store.tokens.revoke("token-a")
    elif change == "disable":
        await store.users.update("u-alice", enabled=False)
    elif change == "regroup":
        await store.users.set_memberships("u-alice", "x", [Membership("x_group://1", "x", "One")])
    elif change == "grant":
        await let_in(store, "c-prod", "u-alice", "cluster-owner")
    else:
        await store.users.delete("u-alice")
    async with asyncio.timeout(60):
        while resolver.cached(BEARER) is not None:
            await asyncio.sleep(0.01)
    found = await resolver.resolve(BEARER)
    if change in {"regroup", "grant"}:
        assert found is not None
        assert found.identity.groups or found.access.roles
    else:
        assert found is None


async def test_change_during_the_query_prevents_caching(
    store: SqlStore, resolver: TokenAuthenticator
) -> None:
    await furnish(store)
    original = store.tokens.resolve

    async def overtaken(name: str) -> Any:
        found = await original(name)
        resolver.forget(Change("user", "u-alice"))
        return found

    store.tokens.resolve = overtaken  # type: ignore[method-assign]
    assert await resolver.resolve(BEARER) is not None
    assert resolver.cached(BEARER) is None


async def test_unrelated_change_during_the_query_does_not_prevent_caching(
    store: SqlStore, resolver: TokenAuthenticator
) -> None:
    await furnish(store)
    original = store.tokens.resolve

    async def overtaken(name: str) -> Any:
        found = await original(name)
        resolver.forget(Change("user", "u-bob"))
        resolver.forget(Change("access", "c-prod"))
        return found

    store.tokens.resolve = overtaken  # type: ignore[method-assign]
    assert await resolver.resolve(BEARER) is not None
    assert resolver.cached(BEARER) is not None


CHANGES = [
    Change("all"),
    Change("access", "c-prod"),
    *(Change(kind) for kind in ("token", "user", "group", "provider", "project", "cluster")),
    *(Change("token", one) for one in ("token-a", "token-b")),
    *(Change("user", one) for one in ("u-alice", "u-bob")),
    *(Change("group", one) for one in ("x_group://1", "x_group://2")),
    *(Change("provider", one) for one in ("local", "x")),
    *(Change("project", one) for one in ("p-shop", "p-mine", "p-other")),
    *(Change("cluster", one) for one in ("c-prod", "c-other")),
    Change("role", "r-any"),
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
@pytest.mark.parametrize("owner", [False, True], ids=["member", "owner of every cluster"])
async def test_change_drops_exactly_the_entries_that_it_concerns(
    store: SqlStore, change: Change, owner: bool
) -> None:
    await store.clusters.create(a_cluster())
    for project in ("p-shop", "p-mine"):
        await store.projects.create(Project(project, "c-prod", project, created_at=NOW))
    await furnish(store, projects=("p-shop",))
    await store.bindings.create(a_binding(role="project-member", project="p-mine"))
    if owner:
        await store.users.update("u-alice", administrator=True)
    await store.users.set_memberships("u-alice", "x", [Membership("x_group://1", "x", "One")])
    resolver = TokenAuthenticator(store)
    entry = await resolver.resolve(BEARER)
    assert entry is not None
    assert entry.access.owns_clusters is owner
    resolver.forget(change)
    assert (resolver.entries == 0) is concerns(change, entry)


async def test_users_in_many_groups_take_more_of_the_cache(store: SqlStore) -> None:
    resolver = TokenAuthenticator(store, max_bytes=40_000)
    groups = [Membership(f"x_group://{n}", "x", f"Group {n}") for n in range(100)]
    for n in range(3):
        await store.users.create(a_user(f"user-{n}"))
        digest = hashlib.sha256(b"token-%d:s" % n).digest()
        token = a_token(f"token-{n}", f"u-user-{n}", digest=digest, expires_at=None)
        await store.tokens.create(token)
    await store.users.set_memberships("u-user-2", "x", groups)
    for n in range(3):
        await resolver.resolve(b"token-%d:s" % n)
    assert resolver.entries == 2
    assert resolver.cached(b"token-0:s") is None


async def test_cache_is_bounded(store: SqlStore) -> None:
    resolver = TokenAuthenticator(store, max_entries=2)
    await store.users.create(a_user())
    for n in range(3):
        bearer = b"token-%d:s" % n
        digest = hashlib.sha256(bearer).digest()
        await store.tokens.create(a_token(f"token-{n}", digest=digest, expires_at=None))
        assert await resolver.resolve(bearer) is not None
    assert [resolver.cached(b"token-%d:s" % n) is not None for n in range(3)] == [
        False,
        True,
        True,
    ]


async def test_reserved_name_in_the_store_authenticates_no_user(
    store: SqlStore, resolver: TokenAuthenticator
) -> None:
    evil = replace(a_user(), principals=(Principal("x://1", "x", "system:admin"),))
    await store.users.create(evil)
    digest = hashlib.sha256(BEARER).digest()
    await store.tokens.create(a_token(digest=digest, principal_id="x://1", expires_at=None))
    assert await resolver.resolve(BEARER) is None
