"""When to dial again. Pure.

Pauses are random, so that the agents of many clusters do not return to a server all together.
"""

import random
from collections.abc import Callable

HEALTHY_SECONDS = 60.0
"""How long a tunnel must last before the pauses begin with the shortest again."""


class Redial:
    """The pauses of one tunnel: at random up to ``first`` seconds, doubled up to ``most``."""

    def __init__(
        self,
        first: float = 1.0,
        most: float = 30.0,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._first = self._limit = first
        self._most = most
        self._chance = chance

    def pause(self, *, lasted: float = 0.0, retry_after: float = 0.0) -> float:
        """Return how many seconds to wait.

        ``lasted``: how long the last tunnel was open. ``retry_after``: what the server asked for;
        the pause is no shorter.
        """
        if lasted >= HEALTHY_SECONDS:
            self.reset()
        length = self._limit * self._chance()
        self._limit = min(self._limit * 2, self._most)
        return retry_after + length

    def reset(self) -> None:
        """Begin with the shortest pause again."""
        self._limit = self._first
