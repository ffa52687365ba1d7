"""Leader election: one replica reconciles a cluster at a time, by leases in the store.

A lease expires unless it is renewed in time. Its holder measures the term from before the request,
by its own monotonic clock, and writes nothing after the end. A replica that was frozen therefore
notices the end before it writes again. See docs/decisions/0017-leases.md.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from config.loggers import get_logger
from store.errors import StoreError
from store.interfaces import Store

TERM = timedelta(seconds=12)
"""Term of a lease. After that, another replica can take the lease."""

RENEW_SECONDS = 2.5
"""Interval at which leases are renewed and free leases are requested."""

MARGIN_SECONDS = 2.0
"""A lease is not used this long before its end, because a write takes time to arrive."""

_LOG = get_logger(__name__)


class LeadershipLost(Exception):
    """Another replica leads the cluster now: this one must not write."""


@dataclass(frozen=True, slots=True)
class Leadership:
    """The leadership of one cluster. ``is_leader`` returns whether this replica still has it."""

    cluster_name: str
    is_leader: Callable[[], bool]

    def require(self) -> None:
        """Raise LeadershipLost if this replica does not lead the cluster."""
        if not self.is_leader():
            raise LeadershipLost(self.cluster_name)


class LeaderElection:
    """The leases of this replica. ``term`` is their length; the other durations are in seconds."""

    def __init__(
        self,
        store: Store,
        *,
        term: timedelta = TERM,
        renew_seconds: float = RENEW_SECONDS,
        margin_seconds: float = MARGIN_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._term = term
        self._renew_seconds = renew_seconds
        self._margin_seconds = margin_seconds
        self._clock = clock
        self._until: dict[str, float] = {}
        self.holder = f"{secrets.token_hex(8)}"

    def is_leader(self, cluster_id: str) -> bool:
        """Return whether this replica leads the cluster now."""
        return self._clock() < self._until.get(cluster_id, 0.0)

    @property
    def led(self) -> frozenset[str]:
        """Return the ids of the clusters that this replica leads now."""
        now = self._clock()
        return frozenset(one for one, until in self._until.items() if now < until)

    async def renew(self) -> None:
        """Renew the leases held, and take free ones. Raises StoreError."""
        began = self._clock()
        wanted = await self._store.clusters.ids()
        held = await self._store.leases.hold(wanted, self.holder, self._term)
        until = began + self._term.total_seconds() - self._margin_seconds
        self._until = dict.fromkeys(held, until)

    async def release(self) -> None:
        """Release all leases, so that other replicas can take them immediately."""
        self._until.clear()
        await self._store.leases.release(self.holder)

    async def run(self, changed: Callable[[frozenset[str]], Awaitable[None]]) -> None:
        """Renew leases until cancelled. ``changed`` is called with :attr:`led` each time."""
        while True:
            try:
                async with asyncio.timeout(self._term.total_seconds() / 2):
                    await self.renew()
            except (StoreError, TimeoutError) as exc:
                _LOG.warning("leases not renewed", error=str(exc) or "the store is slow")
            await changed(self.led)
            await asyncio.sleep(self._renew_seconds)
