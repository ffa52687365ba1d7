"""Counting requests in plain numbers, and showing them as Prometheus expects."""

from prometheus_client import CollectorRegistry, generate_latest

from proxy.traffic import Traffic


def shown(traffic: Traffic) -> str:
    registry = CollectorRegistry()
    registry.register(traffic)
    return generate_latest(registry).decode()


def test_answers_are_counted_by_cluster_verb_and_code() -> None:
    traffic = Traffic()
    traffic.answered("prod", "get", 200, 10, 0.02)
    traffic.answered("prod", "get", 200, 20, 0.3)
    traffic.answered("prod", "get", 404, 5, 99.0)
    traffic.answered("prod", "watch", 200, 7, None)
    text = shown(traffic)
    assert 'sekisho_requests_total{cluster="prod",code="200",verb="get"} 2.0' in text
    assert 'sekisho_requests_total{cluster="prod",code="404",verb="get"} 1.0' in text
    assert 'sekisho_sent_bytes_total{cluster="prod"} 42.0' in text
    name = 'sekisho_request_duration_seconds_bucket{cluster="prod",le='
    for bound, count in (("0.01", 0), ("0.025", 1), ("0.5", 2), ("60.0", 2), ("+Inf", 3)):
        assert f'{name}"{bound}",verb="get"}} {count}.0' in text
    assert 'sekisho_request_duration_seconds_count{cluster="prod",verb="get"} 3.0' in text
    assert 'verb="watch"' not in text.partition("duration")[2]


def test_of_a_cluster_that_nobody_may_know_of_only_the_number_is_told() -> None:
    traffic = Traffic()
    traffic.answered("", "get", 404, 100, 0.1)
    text = shown(traffic)
    assert 'sekisho_requests_total{cluster="",code="404",verb="get"} 1.0' in text
    assert "sent_bytes_total{" not in text
    assert "seconds_bucket{" not in text


def test_a_cluster_that_is_gone_is_forgotten() -> None:
    traffic = Traffic()
    traffic.answered("prod", "get", 200, 1, 0.1)
    traffic.answered("test", "get", 200, 1, 0.1)
    traffic.forget_cluster("prod")
    assert "prod" not in shown(traffic)
    assert "test" in shown(traffic)


def test_what_runs_and_who_was_let_in_is_shown() -> None:
    traffic = Traffic()
    traffic.in_flight += 3
    traffic.authenticated("local", "accepted")
    text = shown(traffic)
    assert "sekisho_requests_in_flight 3.0" in text
    assert 'sekisho_authentications_total{outcome="accepted",provider="local"} 1.0' in text


def test_codes_that_nobody_knows_do_not_become_names_of_their_own() -> None:
    traffic = Traffic()
    for code in range(600, 700):
        traffic.answered("prod", "get", code, 0, None)
    assert 'sekisho_requests_total{cluster="prod",code="600",verb="get"} 100.0' in shown(traffic)
