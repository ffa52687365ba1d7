"""Budget of the audit log for events without an authenticated user. Pure.

Any client can cause such events. The budget keeps them from filling the log, which would rotate the
events of users out of it. Events over the budget are written elsewhere, or dropped.
"""

from collections.abc import Callable

_DAY_SECONDS = 86400.0
_BURST_PART = 8
"""The divisor of a day's budget that gives the burst."""


class AnonymousBudget:
    """A token bucket in bytes. ``clock`` is monotonic, in seconds."""

    def __init__(self, bytes_a_day: int, clock: Callable[[], float]) -> None:
        self._rate = bytes_a_day / _DAY_SECONDS
        self._most = bytes_a_day / _BURST_PART
        self._left = self._most
        self._clock = clock
        self._at = clock()

    def take(self, size: int) -> bool:
        """Take ``size`` bytes from the budget. False if not enough is left."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if size > self._left:
            return False
        self._left -= size
        return True
