"""Decide on ``Retry-After`` while a backend fails: a second at first, later none.

kubectl waits for Retry-After up to ten times for each of its requests, and prints nothing
meanwhile. That bridges a restart of seconds. In a longer outage its user would wait minutes for an
error that is known immediately.
"""

import time
from collections.abc import Callable

FIRST_SECONDS = 5.0
"""How long after the start of an outage responses have ``Retry-After``."""

RETRY_AFTER = 1

FORGOTTEN_SECONDS = 60.0
"""Seconds without a failure after which an outage counts as ended, where successes are not
recorded."""


class Outage:
    """Whether one backend fails, and since when."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        forgotten: float = FORGOTTEN_SECONDS,
    ) -> None:
        self._clock = clock
        self._forgotten = forgotten
        self._since: float | None = None
        self._last = 0.0

    def record_failure(self) -> int | None:
        """Record a failure; return the seconds for Retry-After, or None for no header."""
        now = self._clock()
        if self._since is None or now - self._last > self._forgotten:
            self._since = now
        self._last = now
        return RETRY_AFTER if now - self._since < FIRST_SECONDS else None

    def record_success(self) -> None:
        """Record a success: the outage has ended."""
        self._since = None
