"""Keep the store's rows of this process's tunnels: what the other replicas know.

A process without tunnels has no row, so that one without agents writes nothing. The store is made
to agree with what is held, whatever was missed: it may have been away.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta

from config.loggers import get_logger
from management.backoff import Backoff
from management.tunnels.batches import in_batches
from store.agent_interfaces import Tunnels
from store.agent_records import Replica, Tunnel
from store.errors import RecordNotFound, StoreError

TERM = timedelta(seconds=15)
"""After so long without a renewal, the tunnels of a replica do not count."""

RENEW_SECONDS = 5.0
END_SECONDS = 2.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 5.0

_LOG = get_logger(__name__)


class Announcer:
    """Announces the tunnels that ``held`` returns. Call :meth:`run` once."""

    def __init__(
        self, tunnels: Tunnels, replica: Replica, held: Callable[[], Sequence[Tunnel]]
    ) -> None:
        self._tunnels = tunnels
        self._replica = replica
        self._held = held
        self._stored: dict[str, Tunnel] | None = None
        self._uncertain = False
        self._withdrawn = False
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._renew_at = 0.0

    def changed(self) -> None:
        """Announce what is held now."""
        self._changed.set()

    def withdraw(self) -> None:
        """Announce nothing from now on: the process ends."""
        self._withdrawn = True
        self._changed.set()

    async def run(self) -> None:
        """Announce until cancelled."""
        backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        while True:
            self._changed.clear()
            pause = RENEW_SECONDS
            try:
                await self._agree()
            except StoreError as exc:
                _LOG.warning("tunnels not announced", error=str(exc))
                self._stored, self._uncertain = None, True
                pause = backoff.pause()
                await asyncio.sleep(pause)
                continue
            backoff.reset()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changed.wait()

    async def end(self) -> None:
        """Delete the row of this process, once :meth:`run` was cancelled."""
        self._withdrawn = True
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await self._agree()

    async def _agree(self) -> None:
        """Make the store agree with what is held. Raises StoreError."""
        wanted = {} if self._withdrawn else {one.id: one for one in self._held()}
        if not wanted:
            if self._stored is not None or self._uncertain:
                await self._tunnels.unregister_replica(self._replica.id)
                self._stored, self._uncertain = None, False
            return
        if self._stored is None or not await self._updated(self._stored, wanted):
            await self._tunnels.register_replica(self._replica, TERM, list(wanted.values()))
            self._stored, self._uncertain = wanted, False
            self._renew_at = self._loop.time() + RENEW_SECONDS

    async def _updated(self, stored: dict[str, Tunnel], wanted: dict[str, Tunnel]) -> bool:
        """Store what has changed. Return False if the row of this process is gone."""
        # Many at a time: after a restart, the agents of all clusters return together.
        for ended in in_batches([one for one in stored if stored[one] != wanted.get(one)]):
            await self._tunnels.close(*ended)
            for one in ended:
                del stored[one]
        try:
            for new in in_batches(sorted(wanted.keys() - stored.keys())):
                await self._tunnels.open(*(wanted[one] for one in new))
                stored |= {one: wanted[one] for one in new}
        except RecordNotFound:
            return False  # or a cluster is: registering leaves its tunnels out
        if self._loop.time() >= self._renew_at:
            if not await self._tunnels.renew(self._replica, TERM):
                return False
            self._renew_at = self._loop.time() + RENEW_SECONDS
        return True
