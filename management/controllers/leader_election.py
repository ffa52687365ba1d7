"""Who looks after which cluster: one replica each, by leases in the store.

A lease runs out unless it is renewed in time. Whoever holds one counts that time from before it
asked, by its own clock that never jumps, and writes nothing once it is over: a replica that was
frozen finds that out when it wakes up, before it does anything. See docs/decisions/0017-leases.md.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from store.interfaces import Store, StoreError

TERM = timedelta(seconds=12)
"""How long a lease lasts. Another replica takes over as soon after that as it asks."""

RENEW_SECONDS = 2.5
"""How often leases are renewed and free ones asked for."""

MARGIN_SECONDS = 2.0
"""How long before its end a lease isn't relied on any more: a write takes a while to arrive."""

_LOG = structlog.get_logger("sekisho.controllers")


class Leadership:
    """The clusters that this replica looks after."""

    def __init__(
        self, store: Store, *, term: timedelta = TERM, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._term = term
        self._clock = clock
        self._until: dict[str, float] = {}
        self.holder = f"{secrets.token_hex(8)}"

    def leads(self, cluster_id: str) -> bool:
        """Whether this replica looks after the cluster, at this moment."""
        return self._clock() < self._until.get(cluster_id, 0.0)

    @property
    def led(self) -> frozenset[str]:
        """The clusters that it looks after."""
        now = self._clock()
        return frozenset(one for one, until in self._until.items() if now < until)

    async def renew(self) -> None:
        """Renew what is held, and take what is free. Raises StoreError."""
        began = self._clock()
        wanted = await self._store.clusters.ids()
        held = await self._store.leases.hold(wanted, self.holder, self._term)
        until = began + self._term.total_seconds() - MARGIN_SECONDS
        self._until = dict.fromkeys(held, until)

    async def give_up(self) -> None:
        """Let others have everything at once: this replica stops."""
        self._until.clear()
        await self._store.leases.release(self.holder)

    async def run(self, changed: Callable[[frozenset[str]], Awaitable[None]]) -> None:
        """Renew until cancelled; ``changed`` is told what is led whenever that may have changed."""
        while True:
            try:
                async with asyncio.timeout(self._term.total_seconds() / 2):
                    await self.renew()
            except (StoreError, TimeoutError) as exc:
                _LOG.warning("leases not renewed", error=str(exc) or "the store is slow")
            await changed(self.led)
            await asyncio.sleep(RENEW_SECONDS)
