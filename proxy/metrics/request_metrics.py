"""Counters that change with every request: plain numbers, converted to metrics at a scrape.

prometheus_client takes a lock and does several lookups for each change: 6 µs for the six numbers of
a request. One thread serves all requests, so plain numbers are enough, at 0.1 µs; the metric
families are built at each scrape.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from http import HTTPStatus

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""The upper bounds of the histogram's buckets, in seconds."""

_CODES = frozenset(map(int, HTTPStatus)) | {499}
"""Other codes count as their hundred: clusters and services behind them may send any code."""

_BOUNDS = (*map(str, BUCKETS), "+Inf")


class ResponseStats:
    """Responses of one cluster to one verb with one code."""

    __slots__ = ("buckets", "count", "seconds", "sent")

    def __init__(self) -> None:
        self.count = 0
        self.sent = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(BUCKETS) + 1)

    def time(self, seconds: float) -> None:
        """Add the duration of one response."""
        self.seconds += seconds
        self.buckets[bisect_left(BUCKETS, seconds)] += 1

    def add(self, other: "ResponseStats") -> None:
        """Add the numbers of ``other``."""
        self.count += other.count
        self.sent += other.sent
        self.seconds += other.seconds
        self.buckets = [
            mine + added for mine, added in zip(self.buckets, other.buckets, strict=True)
        ]


class RequestMetrics(Collector):
    """Counters of requests, bytes, durations and authentications. For use by one thread."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._responses: dict[tuple[str, str, int], ResponseStats] = {}
        self._authentications: dict[tuple[str, str], int] = defaultdict(int)

    def count_response(
        self, cluster: str, verb: str, code: int, sent: int, seconds: float | None
    ) -> None:
        """Count a request that has ended; ``seconds`` is None where its time is not measured.

        ``cluster`` is empty where the request names no cluster that the caller may access.
        """
        if code not in _CODES:
            code = code // 100 * 100
        key = (cluster, verb, code)
        found = self._responses.get(key)
        if found is None:
            found = self._responses[key] = ResponseStats()
        found.count += 1
        if cluster:
            found.sent += sent
            if seconds is not None:
                found.time(seconds)

    def count_authentication(self, provider: str, outcome: str) -> None:
        """Count the check of a credential."""
        self._authentications[provider, outcome] += 1

    def forget_cluster(self, cluster: str) -> None:
        """Drop all numbers of a removed cluster."""
        self._responses = {key: one for key, one in self._responses.items() if key[0] != cluster}

    def collect(self) -> Iterator[Metric]:
        """Yield all metric families with their current numbers."""
        yield GaugeMetricFamily(
            "sekisho_requests_in_flight",
            "Requests being served, watches and upgrades included.",
            value=self.in_flight,
        )
        yield self._requests()
        yield self._latency()
        yield self._sent()
        authentications = CounterMetricFamily(
            "sekisho_authentications",
            "Credentials checked, by provider and outcome "
            "(accepted, refused, missing, malformed, unavailable).",
            labels=["provider", "outcome"],
        )
        for key, count in self._authentications.items():
            authentications.add_metric(key, count)
        yield authentications

    def _requests(self) -> Metric:
        requests = CounterMetricFamily(
            "sekisho_requests",
            "Requests by cluster, Kubernetes verb and status code.",
            labels=["cluster", "verb", "code"],
        )
        for (cluster, verb, code), one in self._responses.items():
            requests.add_metric([cluster, verb, str(code)], one.count)
        return requests

    def _latency(self) -> Metric:
        latency = HistogramMetricFamily(
            "sekisho_request_duration_seconds",
            "Time from a request's head to its response's end; watches and upgrades excluded.",
            labels=["cluster", "verb"],
        )
        summed: dict[tuple[str, str], ResponseStats] = defaultdict(ResponseStats)
        for (cluster, verb, _), one in self._responses.items():
            if any(one.buckets):
                summed[cluster, verb].add(one)
        for labels, one in summed.items():
            below, buckets = 0, []
            for bound, count in zip(_BOUNDS, one.buckets, strict=True):
                below += count
                buckets.append((bound, float(below)))
            latency.add_metric(labels, buckets, one.seconds)
        return latency

    def _sent(self) -> Metric:
        sent = CounterMetricFamily(
            "sekisho_sent_bytes", "Body bytes relayed to clients.", labels=["cluster"]
        )
        summed: dict[str, int] = defaultdict(int)
        for (cluster, _, _), one in self._responses.items():
            if cluster:
                summed[cluster] += one.sent
        for cluster, size in summed.items():
            sent.add_metric([cluster], size)
        return sent
