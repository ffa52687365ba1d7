"""Metrics of traces: what became of finished spans."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from management.tracing.export_counts import ExportCounts


class TraceCollector(Collector):
    """Yields the counters of this process. Without traces, all are 0."""

    def __init__(self, counts: ExportCounts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        counts = self._counts
        spans = CounterMetricFamily(
            "sekisho_trace_spans",
            "Spans that ended, by outcome. failed: the collector did not take them. dropped: too "
            "many waited for it.",
            labels=["outcome"],
        )
        for outcome in ("exported", "failed", "dropped"):
            spans.add_metric([outcome], getattr(counts, outcome))
        yield spans
        pending = GaugeMetricFamily("sekisho_trace_spans_pending", "Spans that wait for an export.")
        pending.add_metric([], counts.pending)
        yield pending
