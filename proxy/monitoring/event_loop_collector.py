"""What the event loop carries: a number that only ever grows tells of a leak."""

import asyncio
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class LoopCollector(Collector):
    """Counts the tasks of the loop that a scrape runs in, at each scrape and at no other time."""

    def collect(self) -> Iterator[Metric]:
        """One gauge; nothing outside a loop, as when a registry asks for names."""
        try:
            tasks = len(asyncio.all_tasks())
        except RuntimeError:
            return
        yield GaugeMetricFamily(
            "sekisho_event_loop_tasks",
            "Tasks in the event loop: a few of the server's own and one for each connection.",
            value=tasks,
        )
