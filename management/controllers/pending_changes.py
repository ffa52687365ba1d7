"""The changes that wait for a reconciler's next pass, and the age of the oldest."""

import asyncio
import time
from collections.abc import Callable


class PendingChanges:
    """An event that also knows since when a change waits. A pass takes all changes at once.

    The age counts until a pass has succeeded, so changes that cannot be applied grow old.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._event = asyncio.Event()
        self._clock = clock
        self._waiting: float | None = None
        self._taken: float | None = None

    def set(self) -> None:
        """Note a change."""
        if self._waiting is None:
            self._waiting = self._clock()
        self._event.set()

    def is_set(self) -> bool:
        """Return whether a change waits for the next pass."""
        return self._event.is_set()

    async def wait(self) -> None:
        """Wait for a change."""
        await self._event.wait()

    def take(self) -> None:
        """Begin a pass with all changes so far."""
        if self._taken is None:
            self._taken = self._waiting
        self._waiting = None
        self._event.clear()

    def applied(self) -> None:
        """Note that the pass has succeeded."""
        self._taken = None

    @property
    def age_seconds(self) -> float:
        """Return how long the oldest change has waited, including a running pass; 0.0: none."""
        oldest = self._waiting if self._taken is None else self._taken
        return 0.0 if oldest is None else self._clock() - oldest
