"""Metrics, logs, and health endpoints of a proxy in front of a real cluster."""

from tests.e2e.raw_requests import (
    PODS,
    whoami,
)
from tests.support.kubernetes import Kubernetes, start_kubectl
from tests.support.log_lines import Event, events_of
from tests.support.sekisho import SekishoWithUsers
from tests.support.waiting import wait_until


def test_cluster_audit_log_contains_source_address_and_request_id(
    proxy: SekishoWithUsers, kubernetes: Kubernetes
) -> None:
    whoami(
        proxy, proxy.token("bob"), b"X-Request-Id: my-request-12345", b"X-Forwarded-For: 6.6.6.6"
    )
    found: list[Event] = []

    def is_audited() -> bool:
        events = events_of(kubernetes.audit_log().read_text())
        found[:] = [one for one in events if requestid(one) == ["my-request-12345"]]
        return bool(found)

    wait_until(is_audited, what="the event")
    assert found[-1]["user"]["username"] == (
        "system:serviceaccount:sekisho-system:sekisho-impersonator"
    )
    assert found[-1]["sourceIPs"] == ["127.0.0.1"]


def requestid(event: Event) -> list[str]:
    """Return the id of the request in an event of the cluster."""
    ids: list[str] = event.get("impersonatedUser", {}).get("extra", {}).get("requestid", [])
    return ids


def test_request_metrics_count_by_cluster_verb_and_code(proxy: SekishoWithUsers) -> None:
    def count(verb: str, code: int) -> float:
        labels = f'cluster="test",code="{code}",verb="{verb}"'
        return proxy.metric(f"sekisho_requests_total{{{labels}}}")

    def counts() -> list[float]:
        return [count("list", 200), count("get", 404), count("create", 403)]

    before = counts()
    token = proxy.token("carol")
    proxy.request("GET", PODS, token=token)
    proxy.request("GET", f"{PODS}/none", token=token)
    proxy.request("POST", PODS, token=token, body={})
    # The server counts a request after the end of its response.
    wait_until(lambda: counts() == [one + 1 for one in before], what=lambda: f"{counts()}")
    accepted = proxy.metric('sekisho_authentications_total{outcome="accepted",provider="local"}')
    assert accepted > 0
    assert proxy.metric('sekisho_upstream_connections{cluster="test"}') > 0
    duration = 'sekisho_request_duration_seconds_count{cluster="test",verb="list"}'
    assert proxy.metric(duration) > 0


def test_open_watch_metric_counts_a_watch_while_it_is_open(
    proxy: SekishoWithUsers, namespace: str
) -> None:
    def open_watches() -> float:
        return proxy.metric('sekisho_open_watches{cluster="test"}')

    before = open_watches()
    with start_kubectl(proxy.configs["alice"], "-n", namespace, "get", "cm", "-w") as watch:
        wait_until(lambda: open_watches() == before + 1)
        watch.terminate()
    wait_until(lambda: open_watches() == before)
    wait_until(lambda: proxy.metric("sekisho_requests_in_flight") == 0)


def test_access_log_names_user_and_request_without_secrets(proxy: SekishoWithUsers) -> None:
    token = proxy.token("alice")
    response = proxy.request(
        "GET", f"{PODS}?labelSelector=a%3Db", token=token, headers={"X-Request-Id": "log-me-12345"}
    )
    assert response.headers["X-Request-Id"] == "log-me-12345"

    def logged() -> list[Event]:
        return [one for one in events_of(proxy.log) if "log-me-12345" in str(one)]

    wait_until(lambda: bool(logged()), what="the line")
    [entry] = logged()
    assert entry["user"] == proxy.users["alice"]
    assert (entry["cluster"], entry["verb"], entry["status"]) == ("test", "list", 200)
    assert entry["path"] == PODS
    assert "labelSelector" not in proxy.log
    assert token.partition(":")[2] not in proxy.log


def test_health_endpoints_respond_on_both_listeners(proxy: SekishoWithUsers) -> None:
    assert proxy.request("GET", "/healthz").body == b"ok"
    assert proxy.request("GET", "/readyz").body == b"ok"
    verbose = proxy.request("GET", "/readyz?verbose").body.decode()
    assert verbose == "[+]store ok\n[+]shutdown ok\nreadyz check passed\n"
    monitoring = proxy.get_monitoring("/readyz?verbose")
    assert monitoring == "[+]store ok\n[+]shutdown ok\n[+]provider/local ok\nreadyz check passed\n"


def test_metrics_report_the_token_cache_and_each_api_server(
    proxy: SekishoWithUsers, kubernetes: Kubernetes
) -> None:
    def cache() -> tuple[float, float]:
        return (
            proxy.metric("sekisho_token_cache_hits_total"),
            proxy.metric("sekisho_token_cache_misses_total"),
        )

    token = proxy.token("alice")
    hits, misses = cache()

    def has_hit_twice() -> bool:
        # A busy machine may end the cache's trust in the store in between, which is a miss.
        assert proxy.request("GET", PODS, token=token).status == 200
        return cache()[0] >= hits + 2

    wait_until(has_hit_twice, what="two hits of the token cache")
    assert cache()[1] >= misses + 1
    assert proxy.metric("sekisho_token_cache_entries") >= 1
    host = kubernetes.servers[0].removeprefix("https://")
    labels = f'cluster="test",host="{host}"'
    assert proxy.metric(f"sekisho_upstream_host_healthy{{{labels}}}") == 1
    assert proxy.metric('sekisho_sent_bytes_total{cluster="test"}') > 0
