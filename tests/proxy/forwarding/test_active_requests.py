"""Active requests end when their permission ends; with a real store."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from management.authentication.token_authenticator import TokenAuthenticator
from proxy.forwarding.active_requests import ActiveRequest, ActiveRequests
from proxy.request.context import RequestContext
from proxy.response.status import StatusError
from store.database import SqlStore
from store.encryption import Keyring, generate_key
from tests.proxy.request_contexts import authenticated_token, request_context
from tests.store.records import a_cluster, let_in
from tests.support.stores import open_new_store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    """Yield a store with the user ``u-1``, who owns ``c-1``, and the user's ``token-1``."""
    keyring = Keyring.parse(generate_key())
    opened = await open_new_store(
        f"sqlite:///{tmp_path / 'sekisho.db'}", keyring, poll_interval=0.05
    )
    await opened.users.create(authenticated_token().user)
    await opened.clusters.create(a_cluster(id="c-1"))
    await let_in(opened, "c-1", "u-1", "cluster-owner")
    await opened.tokens.create(authenticated_token().token)
    yield opened
    await opened.close()


class Running:
    """An active request in the registry."""

    def __init__(self, live: ActiveRequests, of: RequestContext) -> None:
        assert of.token is not None
        self.ended = asyncio.Event()
        self.access = of
        self.begun = False
        self.refusals: list[StatusError] = []
        live.begin(ActiveRequest(of, of.token, self.refuse, self.ended.set), live.generation)

    def refuse(self, error: StatusError) -> bool:
        if not self.begun:
            self.refusals.append(error)
            self.ended.set()
        return not self.begun

    async def ends(self) -> bool:
        try:
            await asyncio.wait_for(self.ended.wait(), 5)
        except TimeoutError:
            return False
        return True


@pytest.fixture
async def live(store: SqlStore) -> AsyncIterator[ActiveRequests]:
    """Yield a registry of active requests that follows the store."""
    registry = ActiveRequests(store, TokenAuthenticator(store))
    tasks = [asyncio.create_task(registry.follow_changes())]
    tasks.append(asyncio.create_task(registry.end_expired()))
    await asyncio.sleep(0)
    yield registry
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def owner() -> RequestContext:
    return request_context(token=authenticated_token(roles={"c-1": "cluster-owner"}))


async def test_active_request_ends_when_its_token_is_revoked(
    store: SqlStore, live: ActiveRequests
) -> None:
    running = Running(live, owner())
    await store.tokens.revoke("token-1")
    assert await running.ends()
    assert running.access.reason == "the token was revoked, or its user disabled"
    assert len(live) == 0


async def test_active_request_ends_when_the_parent_of_its_token_is_revoked(
    store: SqlStore, live: ActiveRequests
) -> None:
    parent = replace(authenticated_token().token, name="token-0", digest=b"\x02" * 32)
    await store.tokens.revoke("token-1")
    await store.tokens.create(parent)
    await store.tokens.create(replace(authenticated_token().token, parent="token-0"))
    running = Running(live, owner())
    await store.tokens.revoke("token-0")
    assert await running.ends()


async def test_active_request_ends_when_its_grant_changes(
    store: SqlStore, live: ActiveRequests
) -> None:
    running = Running(live, owner())
    await let_in(store, "c-1", "u-1", "cluster-read-only")
    assert await running.ends()


async def test_requests_that_wait_are_refused_when_the_server_stops(live: ActiveRequests) -> None:
    read, write, begun = (Running(live, owner()) for _ in range(3))
    write.access.method = "PATCH"
    begun.begun = True
    live.refuse_waiting()
    assert [one.code for one in read.refusals + write.refusals] == [503, 503]
    # A client repeats by itself what has Retry-After; the cluster may have carried out the write.
    assert [one.retry_after for one in read.refusals + write.refusals] == [1, None]
    assert not begun.ended.is_set()


async def test_active_request_continues_after_unrelated_changes(
    store: SqlStore, live: ActiveRequests
) -> None:
    running = Running(live, owner())
    await store.tokens.create(
        replace(authenticated_token().token, name="token-2", digest=b"\x02" * 32)
    )
    await store.tokens.revoke("token-2")
    await store.users.update("u-1", display_name="Alice")
    # Changes apply in order: the effect of the last one shows that all were applied.
    other = request_context(token=authenticated_token(name="token-3"))
    ended = Running(live, other)
    await store.users.update("u-1", display_name="Alice B.")
    assert await ended.ends()
    assert not running.ended.is_set()


async def test_request_authorized_before_a_change_is_checked_again_when_it_begins(
    store: SqlStore, live: ActiveRequests
) -> None:
    before = live.generation
    await store.tokens.revoke("token-1")
    while live.generation == before:
        await asyncio.sleep(0)
    ended = asyncio.Event()
    late = owner()
    assert late.token is not None
    live.begin(ActiveRequest(late, late.token, lambda _: False, ended.set), before)
    await asyncio.wait_for(ended.wait(), 60)
