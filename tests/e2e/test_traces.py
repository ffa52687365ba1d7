"""Traces of a whole server in front of a real API server, at a real collector."""

from collections.abc import Iterator

import pytest

from proxy.demo.local_cluster import LocalCluster
from tests.support.log_lines import audit_events, events_of
from tests.support.loop_thread import LoopThread
from tests.support.otel_collector import CollectedSpan, Collector
from tests.support.sekisho import PASSWORD, SekishoWithUsers, free_port, make_sekisho, running
from tests.support.waiting import wait_until

SECRET = "not-for-traces"
CONFIG_MAPS = "/k8s/clusters/traced/api/v1/namespaces/default/configmaps"
ROUTE = "/k8s/clusters/{cluster}/api/v1/namespaces/{namespace}/configmaps"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture(scope="module")
def tracing_cluster(
    collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalCluster]:
    """Run a cluster whose API server traces each request."""
    folder = tmp_path_factory.mktemp("traced")
    config = folder / "tracing.yaml"
    config.write_text(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: TracingConfiguration\n"
        f"endpoint: {collector.grpc}\nsamplingRatePerMillion: 1000000\n"
    )
    with LoopThread() as loop:
        flags = [f"--tracing-config-file={config}"]
        cluster = LocalCluster(folder / "cluster", controllers=False, flags=flags)
        loop.call(cluster.__aenter__())
        try:
            yield cluster
        finally:
            loop.call(cluster.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def prepared(
    tracing_cluster: LocalCluster, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> SekishoWithUsers:
    """Return a stopped server that traces everything, with the owner alice."""
    folder = tmp_path_factory.mktemp("sekisho")
    made = make_sekisho(folder, (free_port(), free_port()))
    server = SekishoWithUsers(folder, made.port, made.metrics_port)
    kubeconfig = str(tracing_cluster.admin_kubeconfig)
    server.prepare("admin", "cluster", "import", "traced", "--kubeconfig", kubeconfig)
    server.users["alice"] = server.create_user("alice")
    server.prepare("admin", "cluster", "grant", "traced", "--user", "alice", "--role", "owner")
    server.environment |= {
        "SEKISHO_TRACES__ENDPOINT": collector.url,
        "SEKISHO_TRACES__RATIO": "1",
        "SEKISHO_TRACES__MANAGEMENT_RATIO": "1",
    }
    return server


@pytest.fixture
def traced(prepared: SekishoWithUsers) -> Iterator[SekishoWithUsers]:
    with running(prepared):
        yield prepared


def trace_ids(server: SekishoWithUsers, request_id: str) -> set[str]:
    """Return the trace ids of a request in the access log and in the audit log."""
    logged, audited = events_of(server.log), audit_events(server)
    return {
        *(one.get("trace_id") for one in logged if one.get("request_id") == request_id),
        *(
            one["annotations"].get("sekisho.io/trace-id")
            for one in audited
            if one["auditID"] == request_id
        ),
    }


def test_request_is_traced_through_the_gate_into_the_api_server(
    traced: SekishoWithUsers, collector: Collector
) -> None:
    token = traced.token("alice")
    sent = traced.request("GET", f"{CONFIG_MAPS}?labelSelector=app={SECRET}", token=token)
    assert sent.status == 200
    request_id = sent.headers["X-Request-Id"]
    span = collector.await_span(f"GET {ROUTE}", sekisho__request_id=request_id)
    assert (
        dict(span.attributes).items()
        >= {
            "http.request.method": "GET",
            "http.response.status_code": 200,
            "http.route": ROUTE,
            "k8s.cluster.name": "traced",
            "k8s.namespace.name": "default",
            "user.id": traced.users["alice"],
            "client.address": "127.0.0.1",
        }.items()
    )
    assert (span.parent_id, span.failed, span.links) == ("", False, ())
    attempt = next(one for one in collector.spans(span.trace_id) if one.name == "GET")
    assert attempt.parent_id == span.span_id
    assert attempt.attributes["http.response.status_code"] == 200
    assert span.resource["service.version"]
    wait_until(lambda: trace_ids(traced, request_id) == {span.trace_id})
    # To the API server, Sekisho is a client that decides nothing: it links its trace.
    attempted = (span.trace_id, attempt.span_id)
    wait_until(lambda: any(attempted in one.links for one in collector.spans()), 60)
    [linked] = [one for one in collector.spans() if attempted in one.links]
    assert linked.resource["service.name"] == "apiserver"


def test_request_to_the_api_continues_through_the_gate_in_one_trace(
    traced: SekishoWithUsers, collector: Collector
) -> None:
    path = "/v1/clusters/traced/workloads"
    assert traced.request("GET", path, token=traced.token("alice")).status == 200
    span = collector.await_span("GET /v1/clusters/{cluster}/workloads")
    wait_until(
        lambda: sum(ROUTE[:25] in one.name for one in collector.spans(span.trace_id)) > 1, 60
    )
    inner = [one for one in collector.spans(span.trace_id) if ROUTE[:25] in one.name]
    assert {one.parent_id for one in inner} == {span.span_id}
    pods = next(one for one in inner if one.name.endswith("/v1/pods"))
    below = [one.name for one in collector.spans(span.trace_id) if one.parent_id == pods.span_id]
    assert "GET" in below


def test_sign_in_is_traced_to_the_provider_and_reconciliation_to_the_cluster(
    traced: SekishoWithUsers, collector: Collector
) -> None:
    body = {"username": "alice", "password": PASSWORD}
    assert traced.request("POST", "/v1/login/local", body=body).status == 200
    call = collector.await_span("provider password", sekisho__provider="local")

    def above() -> list[str]:
        return [one.name for one in collector.spans(call.trace_id) if one.span_id == call.parent_id]

    # It ends after the span below it, and may be sent with later ones.
    wait_until(lambda: above() == ["POST /v1/login/{provider}"], what=lambda: f"{above()}")
    reconcile = collector.await_span("reconcile", k8s__cluster__name="traced")
    wait_until(
        lambda: any(one.parent_id == reconcile.span_id for one in collector.spans()),
        60,
        "a request of a reconciliation",
    )


def test_trace_contains_no_token_query_body_or_password(
    traced: SekishoWithUsers, collector: Collector
) -> None:
    token = traced.token("alice", "--description", SECRET)
    body = {"metadata": {"name": SECRET}, "data": {"key": SECRET}}
    path = f"{CONFIG_MAPS}?fieldManager={SECRET}"
    headers = {"User-Agent": SECRET, "traceparent": SECRET, "X-Any": SECRET}
    assert traced.request("POST", path, token=token, body=body, headers=headers).status == 201
    for wrong in (SECRET, f"token-{SECRET}:{SECRET}"):
        assert traced.request("GET", f"/v1/{wrong}?x={wrong}", token=wrong).status in {401, 404}
        assert traced.request("GET", f"{CONFIG_MAPS}/{wrong}", token=wrong).status == 401
        login = {"username": wrong, "password": wrong}
        assert traced.request("POST", "/v1/login/local", body=login).status == 401
    assert traced.request("DELETE", f"{CONFIG_MAPS}/{SECRET}", token=token).status == 200
    traced.stop()
    collector.await_span(f"POST {ROUTE}", http__response__status_code=201)
    of_sekisho = [one for one in collector.spans() if one.resource["service.name"] == "sekisho"]
    assert SECRET not in repr(of_sekisho)
    assert token not in collector.text


def test_stranger_decides_nothing_and_a_trusted_client_everything(
    prepared: SekishoWithUsers, collector: Collector
) -> None:
    sampled = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    prepared.start()
    token = prepared.token("alice")
    found = prepared.request("GET", CONFIG_MAPS, token=token, headers=sampled)
    span = collector.await_span(f"GET {ROUTE}", sekisho__request_id=found.headers["X-Request-Id"])
    prepared.stop()
    assert (span.trace_id != TRACE, span.links) == (True, ((TRACE, PARENT),))
    changed = {
        "SEKISHO_TRACES__RATIO": "0",
        "SEKISHO_TRACES__TRUSTED_NETWORKS": '["127.0.0.0/8"]',
        "SEKISHO_SERVER__WORKERS": "2",
    }
    before = dict(prepared.environment)
    prepared.environment |= changed
    prepared.start()
    for number in range(20):  # To both workers.
        headers = sampled | {"X-Request-Id": f"trusted-{number:04}"}
        prepared.request("GET", CONFIG_MAPS, token=token, headers=headers)
        prepared.request("GET", CONFIG_MAPS, token=token)
    prepared.stop()
    prepared.environment.clear()
    prepared.environment.update(before)

    def at_the_gate() -> list[CollectedSpan]:
        return [one for one in collector.spans(TRACE) if one.name == f"GET {ROUTE}"]

    wait_until(lambda: len(at_the_gate()) >= 20, what="the spans of a server that has ended")
    gate = at_the_gate()
    assert {one.parent_id for one in gate} == {PARENT}
    assert len(gate) == 20
    assert {one.attributes["sekisho.request_id"][:8] for one in gate} == {"trusted-"}
    assert len({one.resource["service.instance.id"] for one in gate}) == 2


def test_server_without_a_collector_serves_and_stops_in_time(prepared: SekishoWithUsers) -> None:
    before = dict(prepared.environment)
    prepared.environment["SEKISHO_TRACES__ENDPOINT"] = f"http://127.0.0.1:{free_port()}/v1/traces"
    prepared.start()
    token = prepared.token("alice")
    failed = 'sekisho_trace_spans_total{outcome="failed"}'
    while not prepared.metric(failed):
        assert prepared.request("GET", CONFIG_MAPS, token=token).status == 200
    assert prepared.stop() == 0
    prepared.environment.clear()
    prepared.environment.update(before)
    assert prepared.log.count('"event": "traces not exported"') == 1
