"""Metrics of the orders in the management clusters that this replica leads."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from management.provisioning.provisioners import Provisioners

STEP_SECONDS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600)
"""Buckets: from what a cluster of processes takes to what a cloud takes."""


class ProvisioningCollector(Collector):
    """Metrics that are read from the provisioners at each scrape."""

    def __init__(self, provisioners: Provisioners) -> None:
        self._provisioners = provisioners

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics with their current values."""
        orders = GaugeMetricFamily(
            "sekisho_orders", "Ordered clusters, by state.", labels=["management", "state"]
        )
        slow = GaugeMetricFamily(
            "sekisho_order_slow",
            "Ordered clusters that have been in their state for longer than is usual.",
            labels=["management"],
        )
        up = GaugeMetricFamily(
            "sekisho_engine_up",
            "Whether Sekisho reads the engine's objects in a management cluster (1) or not (0).",
            labels=["management"],
        )
        errors = CounterMetricFamily(
            "sekisho_engine_errors",
            "Requests to the engine, and imports of its clusters, that failed.",
            labels=["management", "kind"],
        )
        for one in self._provisioners.running:
            name = one.cluster.name
            up.add_metric([name], float(not one.engine_problem))
            known = list(one.orders.values())
            slow.add_metric([name], sum(order.slow for order in known))
            for state, count in Counter(order.state for order in known).items():
                orders.add_metric([name, state], count)
            for kind, count in one.reports.errors.items():
                errors.add_metric([name, kind], count)
        yield from (orders, slow, up, errors)


class OrderSteps:
    """The durations of the steps of orders."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "sekisho_order_seconds",
            "Seconds from an order to a step, and from the request to delete a cluster to its end.",
            ["class", "step"],
            registry=registry,
            buckets=STEP_SECONDS,
        )

    def observe(self, class_name: str, step: str, seconds: float) -> None:
        """Record that a step was reached."""
        self._seconds.labels(class_name, step).observe(seconds)
