"""What several workers count, as if one had counted it."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from proxy.merged_metrics import Account, Families

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


def told(families: Families) -> list[str]:
    return [line for line in generate_latest(families).decode().splitlines() if line[0] != "#"]


def counted(times: int, seconds: float) -> str:
    registry = CollectorRegistry()
    counter = Counter("requests", "Requests.", ["code"], registry=registry)
    took = Histogram("took_seconds", "Time.", buckets=(0.1, 1.0), registry=registry)
    for _ in range(times):
        counter.labels('2"\n').inc()
        took.observe(seconds)
    Gauge("open", "Open.", registry=registry).set(times)
    return generate_latest(registry).decode()


def test_counters_gauges_and_histograms_are_added_up_bucket_by_bucket() -> None:
    text = {0: (1, counted(2, 0.05)), 1: (1, counted(3, 0.5))}
    lines = told(Account().total(text))
    assert 'requests_total{code="2\\"\\n"} 5.0' in lines
    assert 'took_seconds_bucket{le="0.1"} 2.0' in lines
    assert 'took_seconds_bucket{le="1.0"} 5.0' in lines
    assert 'took_seconds_bucket{le="+Inf"} 5.0' in lines
    assert "took_seconds_count 5.0" in lines
    assert "took_seconds_sum 1.6" in lines
    assert "open 5.0" in lines


def test_one_worker_alone_is_told_as_it_told() -> None:
    text = counted(3, 0.5)
    written = generate_latest(Account().total({0: (1, text)})).decode()
    assert [line for line in written.splitlines() if "_created" not in line] == [
        line for line in text.splitlines() if "_created" not in line
    ]


def test_well_is_who_is_well_everywhere_and_trouble_anywhere_is_trouble() -> None:
    text = {0: (1, LEVELS.format(2, 1, 0, 10)), 1: (1, LEVELS.format(3, 0, 1, 20))}
    assert told(Account().total(text)) == [
        "sekisho_open_watches 5.0",
        'sekisho_provider_up{provider="corp"} 0.0',
        "sekisho_overloaded 1.0",
        'process_open_fds{worker="0"} 10.0',
        'process_open_fds{worker="1"} 20.0',
    ]


def test_a_counter_does_not_shrink_when_a_worker_ends_and_begins_anew() -> None:
    account = Account()
    both = {0: (1, COUNT.format(10)), 1: (1, COUNT.format(5))}
    assert told(account.total(both)) == ["sekisho_requests_total 15.0"]
    assert told(account.total({0: (1, COUNT.format(12))})) == ["sekisho_requests_total 17.0"]
    again = {0: (1, COUNT.format(12)), 1: (2, COUNT.format(1))}
    assert told(account.total(again)) == ["sekisho_requests_total 18.0"]
    assert told(account.total(again)) == ["sekisho_requests_total 18.0"]
    assert told(account.total({})) == ["sekisho_requests_total 18.0"]


def test_what_is_so_at_the_moment_is_forgotten_with_the_worker() -> None:
    account = Account()
    account.total({0: (1, LEVELS.format(2, 1, 0, 10)), 1: (1, LEVELS.format(3, 0, 1, 20))})
    lines = told(account.total({0: (1, LEVELS.format(2, 1, 0, 10))}))
    assert lines[:1] == ["sekisho_open_watches 2.0"]
    assert 'sekisho_provider_up{provider="corp"} 1.0' in lines
    assert 'process_open_fds{worker="1"} 20.0' not in lines
