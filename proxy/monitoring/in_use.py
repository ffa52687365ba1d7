"""Read from time to time how many users and tokens the store has, for metrics.

Every process would report the same numbers, so only the holder of a lease reads and reports them.
"""

import asyncio
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from config.loggers import get_logger
from store.errors import StoreError
from store.interfaces import Store
from store.page_records import UserCounts
from store.records import TokenCounts

READ_SECONDS = 60.0
"""The interval of the reads, and so the age of the numbers."""

RELEASE_SECONDS = 1.0
"""How long the release at a stop may take. The lease expires by itself."""

LEASE = "statistics"
"""The lease's name. Those of clusters are their ids, which begin with ``c-``."""

TERM = timedelta(seconds=150)
"""Longer than two intervals, so that one failed renewal does not change the reporter."""

USED_WITHIN = timedelta(days=1)
"""How recent the last use of a token in use is."""

_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Counts:
    """The numbers of one read."""

    users: UserCounts
    tokens: TokenCounts


class InUse:
    """``latest`` are the last numbers; None while another process reports them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._holder = secrets.token_hex(8)
        self.latest: Counts | None = None

    async def read_forever(self, every: float = READ_SECONDS) -> None:
        """Read until cancelled, and then release the lease."""
        try:
            while True:
                try:
                    await self._read()
                except StoreError as exc:
                    self.latest = None
                    _LOG.warning("users and tokens not counted", error=str(exc))
                await asyncio.sleep(every)
        finally:
            if self.latest is not None:
                self.latest = None
                with suppress(StoreError, TimeoutError):
                    async with asyncio.timeout(RELEASE_SECONDS):
                        await self._store.leases.release(self._holder)

    async def _read(self) -> None:
        if not await self._store.leases.hold([LEASE], self._holder, TERM):
            self.latest = None
            return
        now = datetime.now(UTC)
        self.latest = Counts(
            await self._store.users.counts(),
            await self._store.tokens.counts(now, now - USED_WITHIN),
        )
