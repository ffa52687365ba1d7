"""Metrics of the streams between processes of Sekisho, read at each scrape."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from proxy.tunnels.peering import Peering

IN, OUT = "in", "out"
"""Streams of other processes in this one's tunnels, and this one's in theirs."""


class PeerMetrics(Collector):
    """Yields the metrics of ``peering``. Labels: two directions, and the kinds of failures."""

    def __init__(self, peering: Peering) -> None:
        self._peering = peering

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics with their current values."""
        client, server = self._peering.client, self._peering.server
        streams = GaugeMetricFamily(
            "sekisho_peer_streams",
            "Open streams between processes: in (of others, in tunnels here) or out.",
            labels=["direction"],
        )
        opened = CounterMetricFamily(
            "sekisho_peer_streams_opened",
            "Streams that were opened between processes.",
            labels=["direction"],
        )
        failed = CounterMetricFamily(
            "sekisho_peer_failures",
            "Streams between processes that could not be opened, by cause.",
            labels=["direction", "reason"],
        )
        for direction, one in ((OUT, client), (IN, server)):
            if one is None:
                continue
            streams.add_metric([direction], one.streams)
            opened.add_metric([direction], one.counts.opened)
            for kind, count in one.counts.failed.items():
                failed.add_metric([direction, kind], count)
        yield from (streams, opened, failed)
