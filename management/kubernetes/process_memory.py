"""A limit on the memory that the objects of all clusters take in this process.

Without it, a hundred clusters that each stay below their own limit could take all memory of the
machine. While there is room, each cluster may use it. When the limit is reached, each cluster has
a right to an equal share: one that is above its share gets no more, and the one that takes most is
dropped if another needs its share. See docs/decisions/0078-memory-of-all-clusters.md.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from config.loggers import get_logger
from management.kubernetes.errors import MemoryExhausted
from management.kubernetes.memory_budget import MAX_CLUSTER, MemoryBudget

EXHAUSTED_SECONDS = 60.0
"""How long the memory counts as exhausted after something was refused or dropped. What is used
rises and falls as lists that do not fit are tried again."""

_LOG = get_logger(__name__)


class ProcessMemory:
    """The estimated memory of the objects of all clusters.

    ``total`` is its limit in bytes; None: only each cluster has a limit. ``taken`` is in use.
    ``refused`` and ``dropped`` count what was refused, and clusters that were dropped.
    """

    def __init__(
        self, total: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.total = total
        self.taken = 0
        self.refused = self.dropped = 0
        self._clock = clock
        self._exhausted_until = clock()
        self._ending = 0
        self._budgets: set[ClusterBudget] = set()

    @property
    def share(self) -> int | None:
        """Return the bytes to which each cluster has a right; None: there is no limit."""
        return None if self.total is None else self.total // max(1, len(self._budgets))

    @property
    def exhausted(self) -> bool:
        """Return whether something was refused or dropped lately."""
        return self._clock() < self._exhausted_until

    @contextmanager
    def budget(self, cluster: str, most: int = MAX_CLUSTER) -> Iterator["ClusterBudget"]:
        """Yield the budget of a cluster, which has a share until the end of the context."""
        budget = ClusterBudget(self, cluster, most)
        self._budgets.add(budget)
        try:
            yield budget
        finally:
            budget.clear()
            self._budgets.discard(budget)

    def admit(self, budget: "ClusterBudget", growth: int) -> None:
        """Raise MemoryExhausted if a cluster must not use so many bytes more."""
        if budget.is_dropped:
            raise self._refusal()
        share = self.share
        if self.total is None or share is None:
            return
        # What clusters that were dropped still hold ends in the next turns of the event loop.
        excess = self.taken - self._ending + growth - self.total
        if excess <= 0:
            return
        if budget.taken + growth > share:
            self._note_exhaustion()
            raise self._refusal()
        self._reclaim(excess, share, budget.cluster)

    def count(self, change: int, *, is_ending: bool) -> None:
        """Count bytes that a cluster has taken or released."""
        self.taken += change
        if is_ending:
            self._ending += change

    def _reclaim(self, excess: int, share: int, needed_by: str) -> None:
        """Drop the clusters that take most, all above their share, until ``excess`` is covered."""
        above = [one for one in self._budgets if one.taken > share and not one.is_dropped]
        for one in sorted(above, key=lambda one: one.taken, reverse=True):
            if excess <= 0:
                break
            self._note_exhaustion()
            _LOG.warning(
                "objects of a cluster dropped from memory",
                cluster=one.cluster,
                mib=one.taken >> 20,
                needed_by=needed_by,
            )
            excess -= one.taken
            self._ending += one.taken
            self.dropped += 1
            one.drop()

    def _note_exhaustion(self) -> None:
        """Log that the limit is reached, once until it is relieved, with the largest cluster."""
        was_exhausted = self.exhausted
        self._exhausted_until = self._clock() + EXHAUSTED_SECONDS
        if was_exhausted:
            return
        largest = max(self._budgets, key=lambda one: one.taken)
        _LOG.warning(
            "memory for objects of clusters exhausted",
            limit_mib=(self.total or 0) >> 20,
            clusters=len(self._budgets),
            largest=largest.cluster,
            largest_mib=largest.taken >> 20,
        )

    def _refusal(self) -> MemoryExhausted:
        self.refused += 1
        return MemoryExhausted(self.problem)

    @property
    def problem(self) -> str:
        """Return why a cluster gets no memory: cause and remedy."""
        return (
            f"Sekisho's memory for objects of clusters is used up ({(self.total or 0) >> 20} MiB), "
            "and the cluster wants more than its share; raise controllers.memory"
        )


class ClusterBudget(MemoryBudget):
    """The estimated memory of one cluster, which is a part of that of all.

    ``cluster`` is its name.
    """

    def __init__(self, process: ProcessMemory, cluster: str, most: int = MAX_CLUSTER) -> None:
        super().__init__(most)
        self.cluster = cluster
        self._process = process
        self._dropped = asyncio.Event()

    @property
    def is_dropped(self) -> bool:
        """Return whether all memory of the cluster must be released. It gets no more until then."""
        return self._dropped.is_set()

    def drop(self) -> None:
        """Demand that all memory of the cluster is released, because others need it."""
        self._dropped.set()

    async def raise_when_dropped(self) -> None:
        """Wait until others need the cluster's memory, and raise MemoryExhausted then."""
        await self._dropped.wait()
        raise MemoryExhausted(self.problem)

    @property
    def problem(self) -> str:
        """Return why the cluster was dropped."""
        return self._process.problem

    def _admit(self, growth: int) -> None:
        super()._admit(growth)
        self._process.admit(self, growth)

    def _count(self, change: int) -> None:
        super()._count(change)
        self._process.count(change, is_ending=self.is_dropped)
