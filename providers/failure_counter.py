"""Failures by key over a sliding window, and attempts whose outcome is not known yet. Pure."""

from collections import Counter, OrderedDict
from collections.abc import Hashable

MAX_COUNTERS = 100_000
"""The most names and addresses with counters. The one with the oldest failure is evicted."""

IN_PROGRESS_SECONDS = 5.0
"""When to repeat an attempt that is refused because of attempts in progress."""


class FailureCounter:
    """Failures by key over a sliding window. Pure: time is an argument.

    Each failure is counted in advance, and is in progress until :meth:`settle` or
    :meth:`take_back`.
    """

    def __init__(self, limit: int, window: float, max_counters: int = MAX_COUNTERS) -> None:
        self._limit = limit
        self._max_counters = max_counters
        self._window = window
        # Lists, because an empty deque takes 760 bytes, and there may be many.
        self._failures: OrderedDict[Hashable, list[float]] = OrderedDict()
        self._in_progress: Counter[Hashable] = Counter()

    def wait(self, key: Hashable, now: float) -> float:
        """Return the seconds until another attempt is allowed; 0.0: now."""
        failures = self._failures.get(key)
        if failures is None:
            return 0.0
        while failures and failures[0] <= now - self._window:
            del failures[0]
        if not failures:
            del self._failures[key]
            return 0.0
        if len(failures) < self._limit:
            return 0.0
        wait = failures[-self._limit] + self._window - now
        if len(failures) - self._in_progress[key] < self._limit:
            return min(wait, IN_PROGRESS_SECONDS)
        return wait

    def fail(self, key: Hashable, now: float) -> None:
        """Count a failure in advance."""
        self._in_progress[key] += 1
        failures = self._failures.setdefault(key, [])
        failures.append(now)
        del failures[: -self._limit]
        self._failures.move_to_end(key)
        if len(self._failures) > self._max_counters:
            self._failures.popitem(last=False)

    def settle(self, key: Hashable) -> None:
        """Note that an attempt has ended. Its failure stays."""
        self._in_progress[key] -= 1
        if self._in_progress[key] <= 0:
            del self._in_progress[key]

    def take_back(self, key: Hashable) -> None:
        """Remove the last failure: the attempt has ended, and did not fail."""
        self.settle(key)
        failures = self._failures.get(key)
        if failures:
            failures.pop()
        if not failures:
            self._failures.pop(key, None)

    def clear(self, key: Hashable) -> None:
        """Remove a key's failures."""
        self._failures.pop(key, None)
