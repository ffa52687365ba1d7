"""Merging the metrics of several workers into those of one process."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from proxy.workers.metrics_merge import GREATEST, LEAST, Families, MetricsAccumulator

LEVELS = """\
# TYPE sekisho_open_watches gauge
sekisho_open_watches {}
# TYPE sekisho_provider_up gauge
sekisho_provider_up{{provider="corp"}} {}
# TYPE sekisho_overloaded gauge
sekisho_overloaded {}
# TYPE process_open_fds gauge
process_open_fds {}
"""
COUNT = "# TYPE sekisho_requests_total counter\nsekisho_requests_total {}\n"


def samples(families: Families) -> list[str]:
    return [line for line in generate_latest(families).decode().splitlines() if line[0] != "#"]


def worker_metrics(times: int, seconds: float) -> str:
    registry = CollectorRegistry()
    counter = Counter("requests", "Requests.", ["code"], registry=registry)
    took = Histogram("took_seconds", "Time.", buckets=(0.1, 1.0), registry=registry)
    for _ in range(times):
        counter.labels('2"\n').inc()
        took.observe(seconds)
    Gauge("open", "Open.", registry=registry).set(times)
    return generate_latest(registry).decode()


def test_total_adds_counters_gauges_and_histogram_buckets() -> None:
    text = {0: (1, worker_metrics(2, 0.05)), 1: (1, worker_metrics(3, 0.5))}
    lines = samples(MetricsAccumulator().total(text))
    assert 'requests_total{code="2\\"\\n"} 5.0' in lines
    assert 'took_seconds_bucket{le="0.1"} 2.0' in lines
    assert 'took_seconds_bucket{le="1.0"} 5.0' in lines
    assert 'took_seconds_bucket{le="+Inf"} 5.0' in lines
    assert "took_seconds_count 5.0" in lines
    assert "took_seconds_sum 1.6" in lines
    assert "open 5.0" in lines


def test_total_of_one_worker_is_unchanged() -> None:
    text = worker_metrics(3, 0.5)
    written = generate_latest(MetricsAccumulator().total({0: (1, text)})).decode()
    assert [line for line in written.splitlines() if "_created" not in line] == [
        line for line in text.splitlines() if "_created" not in line
    ]


def test_total_takes_the_minimum_of_health_and_the_maximum_of_trouble() -> None:
    text = {0: (1, LEVELS.format(2, 1, 0, 10)), 1: (1, LEVELS.format(3, 0, 1, 20))}
    assert samples(MetricsAccumulator().total(text)) == [
        "sekisho_open_watches 5.0",
        'sekisho_provider_up{provider="corp"} 0.0',
        "sekisho_overloaded 1.0",
        'process_open_fds{worker="0"} 10.0',
        'process_open_fds{worker="1"} 20.0',
    ]


def test_counter_total_does_not_decrease_when_a_worker_restarts() -> None:
    accumulator = MetricsAccumulator()
    both = {0: (1, COUNT.format(10)), 1: (1, COUNT.format(5))}
    assert samples(accumulator.total(both)) == ["sekisho_requests_total 15.0"]
    assert samples(accumulator.total({0: (1, COUNT.format(12))})) == ["sekisho_requests_total 17.0"]
    again = {0: (1, COUNT.format(12)), 1: (2, COUNT.format(1))}
    assert samples(accumulator.total(again)) == ["sekisho_requests_total 18.0"]
    assert samples(accumulator.total(again)) == ["sekisho_requests_total 18.0"]
    assert samples(accumulator.total({})) == ["sekisho_requests_total 18.0"]


def test_gauge_total_omits_a_worker_that_ended() -> None:
    accumulator = MetricsAccumulator()
    accumulator.total({0: (1, LEVELS.format(2, 1, 0, 10)), 1: (1, LEVELS.format(3, 0, 1, 20))})
    lines = samples(accumulator.total({0: (1, LEVELS.format(2, 1, 0, 10))}))
    assert lines[:1] == ["sekisho_open_watches 2.0"]
    assert 'sekisho_provider_up{provider="corp"} 1.0' in lines
    assert 'process_open_fds{worker="1"} 20.0' not in lines


@pytest.mark.parametrize("suffix", [*LEAST, *GREATEST])
def test_suffix_of_a_merged_gauge_belongs_to_a_metric(suffix: str) -> None:
    sources = (Path(__file__).parents[3] / "proxy").glob("*/*.py")
    names = {name for one in sources for name in re.findall(r'"(sekisho_\w+)"', one.read_text())}
    assert [name for name in names if name.endswith(suffix)]
