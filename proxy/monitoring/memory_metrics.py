"""Metrics of the memory that the objects of clusters take in this process."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from management.controllers.manager import ControllerManager


def memory_metrics(controllers: ControllerManager) -> Iterator[Metric]:
    """Yield what the objects of clusters take, of what they may take, and what was refused."""
    memory = controllers.memory
    used = GaugeMetricFamily(
        "sekisho_controller_memory_bytes",
        "Estimated memory of the objects that are kept and read of a cluster.",
        labels=["cluster"],
    )
    for managed in controllers.clusters.values():
        if managed.client is not None:
            used.add_metric([managed.cluster.name], managed.client.memory.taken)
    yield used
    yield GaugeMetricFamily(
        "sekisho_controller_memory_limit_bytes",
        "What the objects of all clusters may take in this process.",
        value=memory.total or 0,
    )
    yield GaugeMetricFamily(
        "sekisho_controller_memory_exhausted",
        "1 while objects of clusters take all that they may take in this process.",
        value=float(memory.exhausted),
    )
    yield CounterMetricFamily(
        "sekisho_controller_memory_refusals",
        "How often a cluster above its share got no memory for further objects.",
        value=memory.refused,
    )
    yield CounterMetricFamily(
        "sekisho_controller_memory_dropped_clusters",
        "How often all objects of a cluster were dropped because others needed their share.",
        value=memory.dropped,
    )
