"""A rate limit on the bytes of all watches of one cluster. Pure."""

import time
from collections.abc import Callable

BURST_BYTES = 64 * 1024 * 1024
"""Bytes that are read without delay: after an outage, or when many bindings change."""

BYTES_PER_SECOND = 4 * 1024 * 1024
"""Bytes per second that are read after the burst. Parsing them takes a tenth of a core, and the
proxy may run on the same core."""


class WatchRate:
    """A token bucket of bytes."""

    def __init__(
        self,
        burst: float = BURST_BYTES,
        rate: float = BYTES_PER_SECOND,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._burst = burst
        self._rate = rate
        self._clock = clock
        self._left = burst
        self._at = clock()

    def taken(self, size: int) -> float:
        """Count bytes that were read. Return how many seconds to wait before reading more."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate) - size
        self._at = now
        return max(0.0, -self._left / self._rate)
