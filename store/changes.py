"""The change feed: notifies this process immediately, and others within a second.

PostgreSQL uses ``NOTIFY`` in the transaction of the change. SQLite has a counter (``PRAGMA
data_version``) that changes when another connection commits. This process polls it through the
connection that it writes with, so that the counter changes for other processes' writes only.
See docs/decisions/0005-change-feed.md.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from store.interfaces import Changes
from store.records import Change

MAX_BACKLOG = 1000
"""Changes that may wait for a subscriber. More are replaced by one ``Change("all")``."""


class _Subscriber(AsyncIterator[Change]):
    """The queue of one subscriber, with at most MAX_BACKLOG changes."""

    def __init__(self) -> None:
        self.waiting: deque[Change] = deque()
        self.arrived = asyncio.Event()

    def put(self, change: Change) -> None:
        if len(self.waiting) >= MAX_BACKLOG or change.kind == "all":
            self.waiting.clear()
            change = Change("all")
        self.waiting.append(change)
        self.arrived.set()

    def __aiter__(self) -> AsyncIterator[Change]:
        return self

    async def __anext__(self) -> Change:
        # Not a generator: cancelling a wait for the next change would end that.
        while not self.waiting:
            self.arrived.clear()
            await self.arrived.wait()
        return self.waiting.popleft()


class ChangeHub:
    """Distributes changes to every subscriber in this process."""

    def __init__(self) -> None:
        self._subscribers: set[_Subscriber] = set()
        self._live = False
        self._checks = 0

    @property
    def live(self) -> bool:
        """Whether changes of other processes arrive."""
        return self._live

    @property
    def checks(self) -> int:
        """How often the feed has proved that all changes until then had arrived."""
        return self._checks

    def set_live(self, live: bool, *, missed: bool = True) -> None:
        """Record that the feed started or stopped. ``missed``: changes may have been lost."""
        if live and missed and not self._live:
            self.publish(Change("all"))
        self._live = live

    def confirm(self) -> None:
        """Record that all changes until now have been published."""
        self._checks += 1

    def publish(self, *changes: Change) -> None:
        """Notify every subscriber."""
        for subscriber in self._subscribers:
            for change in changes:
                subscriber.put(change)

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[Change]]:
        """Iterate over changes from now on."""
        subscriber = _Subscriber()
        self._subscribers.add(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)


async def follow(
    changes: Changes,
    apply: Callable[[Change], Awaitable[None]],
    begin: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Apply each change until cancelled. ``begin`` runs first, when no change can be missed.

    Compiled modules call this instead of subscribing: mypyc's ``async with`` does not return when
    an exception is raised in it (docs/decisions/0025-compiled-request-path.md).
    """
    async with changes.subscribe() as subscription:
        if begin is not None:
            await begin()
        async for change in subscription:
            await apply(change)
