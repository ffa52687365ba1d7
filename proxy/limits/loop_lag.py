"""Monitor of the event loop's lag, for overload control and for Prometheus."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from proxy.limits.limiter import Limiter
from proxy.limits.overload import LOOK_SECONDS, OverloadController


@contextmanager
def monitor_loop_lag(limiter: Limiter, registry: CollectorRegistry) -> Iterator[Limiter]:
    """Measure the running loop for the limiter's overload control, with metrics in ``registry``."""
    monitor = LoopLagMonitor(limiter.guard)
    registry.register(_OverloadCollector(monitor))
    monitor.start()
    try:
        yield limiter
    finally:
        monitor.stop()


class LoopLagMonitor:
    """A periodic timer that measures its own delay."""

    def __init__(self, guard: OverloadController) -> None:
        self.guard = guard
        self.looks = 0
        self.late_seconds = 0.0
        """Sum of all measured delays."""
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def start(self) -> None:
        """Schedule the next measurement."""
        # The loop's own clock stands still while the loop is busy; this one does not.
        self._due = time.monotonic() + LOOK_SECONDS
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def stop(self) -> None:
        """Stop measuring."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        now = time.monotonic()
        late = max(now - self._due, 0.0)
        self.looks += 1
        self.late_seconds += late
        self.guard.observe_lag(now, late)
        self.start()


class _OverloadCollector(Collector):
    """Reads the monitor and the overload control at each scrape, and at no other time."""

    def __init__(self, monitor: LoopLagMonitor) -> None:
        self._monitor = monitor

    def collect(self) -> Iterator[Metric]:
        """Return the loop's lag, and whether it counts as an overload."""
        yield SummaryMetricFamily(
            "sekisho_event_loop_lag_seconds",
            "Lag of the event loop, measured all the time: about how long each request waits for "
            "its turn.",
            count_value=self._monitor.looks,
            sum_value=self._monitor.late_seconds,
        )
        yield GaugeMetricFamily(
            "sekisho_overloaded",
            "1 while there is more to do than can be done, and the largest consumers are refused.",
            value=float(self._monitor.guard.overloaded),
        )
