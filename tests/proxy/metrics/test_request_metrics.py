"""Counters of requests, and the Prometheus metrics built from them."""

from prometheus_client import CollectorRegistry, generate_latest

from proxy.metrics.request_metrics import RequestMetrics


def shown(traffic: RequestMetrics) -> str:
    registry = CollectorRegistry()
    registry.register(traffic)
    return generate_latest(registry).decode()


def test_responses_are_counted_by_cluster_verb_and_code() -> None:
    traffic = RequestMetrics()
    traffic.count_response("prod", "get", 200, 10, 0.02)
    traffic.count_response("prod", "get", 200, 20, 0.3)
    traffic.count_response("prod", "get", 404, 5, 99.0)
    traffic.count_response("prod", "watch", 200, 7, None)
    text = shown(traffic)
    assert 'sekisho_requests_total{cluster="prod",code="200",verb="get"} 2.0' in text
    assert 'sekisho_requests_total{cluster="prod",code="404",verb="get"} 1.0' in text
    assert 'sekisho_sent_bytes_total{cluster="prod"} 42.0' in text
    name = 'sekisho_request_duration_seconds_bucket{cluster="prod",le='
    for bound, count in (("0.01", 0), ("0.025", 1), ("0.5", 2), ("60.0", 2), ("+Inf", 3)):
        assert f'{name}"{bound}",verb="get"}} {count}.0' in text
    assert 'sekisho_request_duration_seconds_count{cluster="prod",verb="get"} 3.0' in text
    assert 'verb="watch"' not in text.partition("duration")[2]


def test_responses_without_a_cluster_have_no_bytes_and_no_duration() -> None:
    traffic = RequestMetrics()
    traffic.count_response("", "get", 404, 100, 0.1)
    text = shown(traffic)
    assert 'sekisho_requests_total{cluster="",code="404",verb="get"} 1.0' in text
    assert "sent_bytes_total{" not in text
    assert "seconds_bucket{" not in text


def test_removed_cluster_has_no_metrics() -> None:
    traffic = RequestMetrics()
    traffic.count_response("prod", "get", 200, 1, 0.1)
    traffic.count_response("test", "get", 200, 1, 0.1)
    traffic.forget_cluster("prod")
    assert "prod" not in shown(traffic)
    assert "test" in shown(traffic)


def test_requests_in_flight_and_authentications_are_collected() -> None:
    traffic = RequestMetrics()
    traffic.in_flight += 3
    traffic.count_authentication("local", "accepted")
    text = shown(traffic)
    assert "sekisho_requests_in_flight 3.0" in text
    assert 'sekisho_authentications_total{outcome="accepted",provider="local"} 1.0' in text


def test_unknown_codes_are_counted_by_their_hundred() -> None:
    traffic = RequestMetrics()
    for code in range(600, 700):
        traffic.count_response("prod", "get", code, 0, None)
    assert 'sekisho_requests_total{cluster="prod",code="600",verb="get"} 100.0' in shown(traffic)
