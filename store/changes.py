"""The change feed: what is stale, told to this process at once and to others within a second.

PostgreSQL tells by ``NOTIFY``, sent in the transaction that makes the change. SQLite has nothing
like it, but a counter (``PRAGMA data_version``) that moves when another connection commits; this
process writes through the connection that is asked, so the counter moves for others' writes only.
See docs/decisions/0005-change-feed.md.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from store.interfaces import Change

MAX_BACKLOG = 1000
"""Changes that may wait for a subscriber; more become one ``Change("all")``."""


class _Subscriber(AsyncIterator[Change]):
    """What one listener hasn't taken yet; no more than MAX_BACKLOG."""

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
        # Not a generator: that would end when somebody stops waiting for the next change.
        while not self.waiting:
            self.arrived.clear()
            await self.arrived.wait()
        return self.waiting.popleft()


class ChangeHub:
    """Hands changes to every subscriber in this process."""

    def __init__(self) -> None:
        self._subscribers: set[_Subscriber] = set()
        self._live = False

    @property
    def live(self) -> bool:
        """Whether changes made by other processes arrive."""
        return self._live

    def set_live(self, live: bool, *, missed: bool = True) -> None:
        """The feed came up, or went down. Whatever was ``missed`` meanwhile is stale now."""
        if live and missed and not self._live:
            self.publish(Change("all"))
        self._live = live

    def publish(self, *changes: Change) -> None:
        """Tell every subscriber."""
        for subscriber in self._subscribers:
            for change in changes:
                subscriber.put(change)

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[Change]]:
        """Changes from now on."""
        subscriber = _Subscriber()
        self._subscribers.add(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)
