"""Pauses after rejections of new tokens, by key, each longer than the one before. Pure.

Unlike :class:`management.backoff.Backoff`, it counts rejections of many keys, has no pause after
the first one, and forgets a key after some time without rejections.
"""

from collections.abc import Callable, Hashable

FIRST_PAUSE = 2.0
"""Seconds of the pause after the second rejection in a row. The first one causes no pause."""

LONGEST_PAUSE = 300.0

FORGET_SECONDS = 2 * LONGEST_PAUSE
"""Seconds without a rejection after which the next one counts as the first."""

MAX_REMEMBERED = 20_000


class RejectionBackoff:
    """Rejections by key."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._noted: dict[Hashable, tuple[int, float, float]] = {}

    def note(self, key: Hashable) -> None:
        """Count a rejection. Rejections during a pause belong to the one before it."""
        now = self._clock()
        count, when, until = self._noted.pop(key, (0, now, now))
        if now - when > FORGET_SECONDS:
            count = 0
        if now >= until:
            count = min(count + 1, 16)
            until = (
                now if count == 1 else now + min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (count - 2))
            )
        while len(self._noted) >= MAX_REMEMBERED:
            del self._noted[next(iter(self._noted))]
        self._noted[key] = count, now, until

    def pause(self, key: Hashable) -> float:
        """Return for how many seconds no new token should be requested."""
        noted = self._noted.get(key)
        return 0.0 if noted is None else max(0.0, noted[2] - self._clock())
