"""Looks at how late the event loop is, for the overload guard and for Prometheus."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from proxy.limits import Limiter
from proxy.overload import LOOK_SECONDS, OverloadGuard


@contextmanager
def watched(limiter: Limiter, registry: CollectorRegistry) -> Iterator[Limiter]:
    """Feed the limiter's guard with looks at the running loop, and tell of them in ``registry``."""
    watch = _Watch(limiter.guard)
    registry.register(_OverloadCollector(watch))
    watch.start()
    try:
        yield limiter
    finally:
        watch.stop()


class _Watch:
    """A timer that takes down how late it comes."""

    def __init__(self, guard: OverloadGuard) -> None:
        self.guard = guard
        self.looks = 0
        self.late_seconds = 0.0
        """The sum of what the looks saw."""
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def start(self) -> None:
        """Look again in a while."""
        # The loop's own clock stands still while the loop is busy; this one doesn't.
        self._due = time.monotonic() + LOOK_SECONDS
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        now = time.monotonic()
        late = max(now - self._due, 0.0)
        self.looks += 1
        self.late_seconds += late
        self.guard.look(now, late)
        self.start()


class _OverloadCollector(Collector):
    """Reads the watch and its guard at each scrape, and at no other time."""

    def __init__(self, watch: _Watch) -> None:
        self._watch = watch

    def collect(self) -> Iterator[Metric]:
        """How late the loop is, and whether that is taken for an overload."""
        yield SummaryMetricFamily(
            "sekisho_event_loop_late_seconds",
            "By how much the event loop came too late to what was due, looked at all the time: "
            "about what each request waits for its turn.",
            count_value=self._watch.looks,
            sum_value=self._watch.late_seconds,
        )
        yield GaugeMetricFamily(
            "sekisho_overloaded",
            "1 while there is more to do than can be done, and who asks for most is refused.",
            value=float(self._watch.guard.overloaded),
        )
