"""Entries in the cache of bearers: the changes that drop them, and their bound."""

import asyncio
import hashlib
from typing import Any

import pytest

from management.authentication.authenticated_token import concerns
from management.authentication.token_authenticator import TokenAuthenticator
from store.access_records import Project
from store.database import SqlStore
from store.records import Change, Membership
from tests.management.authentication.bearers import BEARER, furnish
from tests.store.records import NOW, a_binding, a_cluster, a_token, a_user, let_in


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
