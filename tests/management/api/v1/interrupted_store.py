"""A store in which something happens between two of its calls, and the API on it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any

import pytest

from store.interfaces import Store
from tests.management.api.conftest import Api
from tests.store.records import NOW, a_binding, a_cluster
from tests.support.management_app import make_token_issuer, serve_management


class InterruptedStore:
    """A store in which ``act`` happens once, before a call that ``after`` calls precede.

    ``only`` is the call that counts, such as ``clusters.list_all``; None: each.
    """

    def __init__(self, store: Store) -> None:
        self.act: Callable[[], Awaitable[None]] | None = None
        self.after = 0
        self.only: str | None = None
        self._store = store

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if type(found).__name__[:3] != "Sql":
            return found
        return InterruptedRepository(self, name, found)

    async def called(self, call: str) -> None:
        """Count a call."""
        if self.act is None or self.only not in {None, call}:
            return
        if self.after > 0:
            self.after -= 1
            return
        act, self.act = self.act, None
        await act()


class InterruptedRepository:
    """A repository whose calls are counted."""

    def __init__(self, store: InterruptedStore, name: str, repository: Any) -> None:
        self._store = store
        self._name = name
        self._repository = repository

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._repository, name)
        if not iscoroutinefunction(found):
            return found

        async def counted(*arguments: Any, **named: Any) -> Any:
            await self._store.called(f"{self._name}.{name}")
            return await found(*arguments, **named)

        return counted


@pytest.fixture
def interrupted(store: Store) -> InterruptedStore:
    return InterruptedStore(store)


@pytest.fixture
async def api(interrupted: Any) -> AsyncIterator[Api]:
    tokens = make_token_issuer(interrupted)
    async with serve_management(interrupted, tokens) as client:
        yield Api(interrupted, tokens, client)


async def import_ordered(store: Store) -> None:
    """Store the cluster of the order ``c-shop``, and its orderer ``plain`` as its owner."""
    owner = a_binding("u-plain", "cluster-owner", "c-shop")
    await store.clusters.create(a_cluster("shop"), owner=owner)
    await store.orders.observe("c-shop", state="ready", imported_at=NOW)
