"""Limits per token and user on a running server in front of a real kube-apiserver."""

import http.client
import json
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from tests.support.kubernetes import Kubernetes
from tests.support.log_lines import await_audit_event
from tests.support.sekisho import Sekisho, free_port, make_sekisho, running
from tests.support.waiting import wait_until

NAMESPACES = "/k8s/clusters/test/api/v1/namespaces"
WATCH = f"{NAMESPACES}?watch=1&resourceVersion=0&timeoutSeconds=60"
LIMITS = """
limits:
  token: {in_flight: 4, watches: 2}
  user: {watches: 3}
  body: 100KiB
  head_line: 8KiB
"""


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory, kubernetes: Kubernetes) -> Iterator[Sekisho]:
    """Yield a server with small limits; root and alice are administrators."""
    folder = tmp_path_factory.mktemp("limited")
    ports = free_port(), free_port()
    sekisho = make_sekisho(folder, ports)
    text = sekisho.config.read_text().replace(
        "server: {", "server: {trusted_proxies: [127.0.0.1], "
    )
    sekisho.config.write_text(text + LIMITS)
    sekisho.change(
        "admin", "cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig)
    )
    with running(sekisho):
        for name in ("root", "alice"):
            sekisho.create_user(name, "--admin")
        yield sekisho


def connect(sekisho: Sekisho) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=str(sekisho.folder / "data" / "tls" / "ca.crt"))
    return http.client.HTTPSConnection("127.0.0.1", sekisho.port, context=context, timeout=120)


def watch(sekisho: Sekisho, token: str, stack: ExitStack) -> http.client.HTTPResponse:
    connection = stack.enter_context(closing(connect(sekisho)))
    connection.request("GET", WATCH, headers={"Authorization": f"Bearer {token}"})
    return connection.getresponse()


def test_watch_over_the_limit_gets_429_with_retry_after(limited: Sekisho) -> None:
    token = limited.token("root")
    with ExitStack() as stack:
        assert [watch(limited, token, stack).status for _ in range(2)] == [200, 200]
        refused = watch(limited, token, stack)
        assert refused.status == 429
        assert refused.headers["Retry-After"] == "1"
        status = json.loads(refused.read())
        assert status["kind"] == "Status"
        assert status["reason"] == "TooManyRequests"
        assert status["details"] == {"retryAfterSeconds": 1}
        assert status["message"] == (
            "too many watches at a time for one token: at most 2; try again later"
        )
        # Another token of the same user may open watches up to the limit per user.
        second = limited.token("root")
        assert watch(limited, second, stack).status == 200
        assert b"for one user: at most 3" in watch(limited, second, stack).read()
        # Other requests and other users are not limited.
        assert limited.request("GET", NAMESPACES, token=token).status == 200
        assert watch(limited, limited.token("alice"), stack).status == 200
    assert limited.metric('sekisho_rejected_requests_total{scope="token"}') >= 1
    assert limited.metric('sekisho_rejected_requests_total{scope="user"}') >= 1


def test_watch_that_ends_releases_its_permit(limited: Sekisho) -> None:
    token = limited.token("alice")
    for _ in range(4):
        with ExitStack() as stack:
            responses: list[http.client.HTTPResponse] = []
            while len(responses) < 2:
                response = watch(limited, token, stack)
                # The server may not have seen the end of the previous watches yet.
                if response.status == 200:
                    responses.append(response)


def test_token_above_its_limit_does_not_slow_other_tokens(limited: Sekisho) -> None:
    noisy, quiet = limited.token("root"), limited.token("alice")
    codes: Counter[int] = Counter()
    stop = threading.Event()

    def make_noise() -> None:
        with closing(connect(limited)) as connection:
            while not stop.is_set():
                connection.request("GET", NAMESPACES, headers={"Authorization": f"Bearer {noisy}"})
                response = connection.getresponse()
                response.read()
                codes[response.status] += 1

    threads = [threading.Thread(target=make_noise) for _ in range(24)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: bool(codes[429] and codes[200]))
        with closing(connect(limited)) as connection:
            for _ in range(50):
                connection.request("GET", NAMESPACES, headers={"Authorization": f"Bearer {quiet}"})
                response = connection.getresponse()
                response.read()
                assert response.status == 200
    finally:
        stop.set()
        for thread in threads:
            thread.join(120)
    assert set(codes) == {200, 429}


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_body_over_the_limit_gets_413(limited: Sekisho, *, chunked: bool) -> None:
    token = limited.token("root")
    with closing(connect(limited)) as connection:
        pieces = iter([b"x" * 65536] * 3)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        if chunked:
            connection.request("POST", NAMESPACES, pieces, headers, encode_chunked=True)
        else:
            headers["Content-Length"] = str(3 * 65536)
            connection.putrequest("POST", NAMESPACES)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
        response = connection.getresponse()
        assert response.status == 413
        status = json.loads(response.read())
        assert status["message"] == "the request's body is over 102400 bytes"
        assert status["reason"] == "RequestEntityTooLarge"
    allowed = limited.request(
        "POST", NAMESPACES, token=token, body={"metadata": {"annotations": {"a": "x" * 50_000}}}
    )
    assert allowed.status == 422, "the API server reads it and misses a name"


def test_request_line_over_the_limit_gets_431_with_a_status(limited: Sekisho) -> None:
    token = limited.token("root")
    target = f"{NAMESPACES}?labelSelector={'a' * 9000}"
    response = limited.request("GET", target, token=token)
    assert response.status == 431
    assert response.json()["kind"] == "Status"
    assert "aaaa" not in limited.log


def test_source_address_from_a_trusted_proxy_is_logged(limited: Sekisho) -> None:
    token = limited.token("root")
    headers = {"X-Forwarded-For": "6.6.6.6, 192.0.2.55"}
    response = limited.request("GET", NAMESPACES, token=token, headers=headers)
    event = await_audit_event(limited, response.headers["X-Request-Id"])
    assert event["sourceIPs"] == ["192.0.2.55"]
