"""Metric of the event loop's tasks: a number that only grows indicates a leak."""

import asyncio
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class LoopCollector(Collector):
    """Count the tasks of the current event loop at each scrape."""

    def collect(self) -> Iterator[Metric]:
        """Yield one gauge; nothing outside a loop, where a registry collects the names."""
        try:
            tasks = len(asyncio.all_tasks())
        except RuntimeError:
            return
        yield GaugeMetricFamily(
            "sekisho_event_loop_tasks",
            "Tasks in the event loop: a few of the server and one for each connection.",
            value=tasks,
        )
