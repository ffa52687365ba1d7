"""Exponential backoff with jitter between attempts of a loop."""

import random
import time
from collections.abc import Callable

HEALTHY_SECONDS = 10.0
"""How long an attempt must last before the pauses begin with the shortest again."""


class Backoff:
    """The pauses of one loop. ``first`` and ``most`` are seconds.

    An attempt that succeeds but ends soon is no success: a watch that ends immediately, a server
    that is ready for a moment. Only :meth:`reset`, or an attempt that lasted ``healthy`` seconds,
    makes the pauses short again.
    """

    def __init__(
        self,
        first: float,
        most: float,
        *,
        healthy: float = HEALTHY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._first = first
        self._most = most
        self._healthy = healthy
        self._clock = clock
        self._chance = chance
        self._next = first
        self._began: float | None = None

    def scaled(self, factor: float) -> "Backoff":
        """Return another backoff, which begins with its shortest pause; all are longer."""
        first, most = self._first * factor, self._most * factor
        return Backoff(first, most, healthy=self._healthy, clock=self._clock, chance=self._chance)

    def begin(self) -> None:
        """Record that an attempt begins."""
        self._began = self._clock()

    def reset(self) -> None:
        """Begin with the shortest pause again: the attempt has succeeded."""
        self._next = self._first

    def pause(self) -> float:
        """Return the seconds until the next attempt: half of this pause to all of it."""
        began, self._began = self._began, None
        if began is not None and self._clock() - began >= self._healthy:
            self.reset()
        length, self._next = self._next, min(self._next * 2, self._most)
        return length * (1 + self._chance()) / 2
