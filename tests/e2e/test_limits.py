"""One caller's share of the gate, on a running server in front of a real kube-apiserver."""

import http.client
import json
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from tests.parts.kubernetes import Kubernetes
from tests.parts.sekisho import Sekisho, free_port, make_sekisho
from tests.parts.waiting import until

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
    """A server with small limits; root and alice administer."""
    folder = tmp_path_factory.mktemp("limited")
    ports = free_port(), free_port()
    sekisho = make_sekisho(folder, ports)
    text = sekisho.config.read_text().replace(
        "server: {", "server: {trusted_proxies: [127.0.0.1], "
    )
    sekisho.config.write_text(text + LIMITS)
    sekisho.run("cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig))
    sekisho.start()
    for name in ("root", "alice"):
        sekisho.create_user(name, "--admin")
    yield sekisho
    sekisho.stop()


def connect(sekisho: Sekisho) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=str(sekisho.folder / "data" / "tls" / "ca.crt"))
    return http.client.HTTPSConnection("127.0.0.1", sekisho.port, context=context, timeout=30)


def watch(sekisho: Sekisho, token: str, stack: ExitStack) -> http.client.HTTPResponse:
    connection = stack.enter_context(closing(connect(sekisho)))
    connection.request("GET", WATCH, headers={"Authorization": f"Bearer {token}"})
    return connection.getresponse()


def test_one_more_watch_than_allowed_is_told_to_come_back(limited: Sekisho) -> None:
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
        # Another token of the same user's has room, up to what the user may have.
        second = limited.token("root")
        assert watch(limited, second, stack).status == 200
        assert b"for one user: at most 3" in watch(limited, second, stack).read()
        # Ordinary requests and other people aren't touched.
        assert limited.ask("GET", NAMESPACES, token=token).status == 200
        assert watch(limited, limited.token("alice"), stack).status == 200
    assert limited.metric('sekisho_limited_requests_total{scope="token"}') >= 1
    assert limited.metric('sekisho_limited_requests_total{scope="user"}') >= 1


def test_a_watch_that_ends_makes_room_for_another(limited: Sekisho) -> None:
    token = limited.token("alice")
    for _ in range(4):
        with ExitStack() as stack:
            answers: list[http.client.HTTPResponse] = []
            while len(answers) < 2:
                answer = watch(limited, token, stack)
                if answer.status == 200:  # the last ones' ends may still be on their way
                    answers.append(answer)


def test_one_noisy_token_does_not_starve_the_others(limited: Sekisho) -> None:
    noisy, quiet = limited.token("root"), limited.token("alice")
    codes: Counter[int] = Counter()
    stop = threading.Event()

    def make_noise() -> None:
        with closing(connect(limited)) as connection:
            while not stop.is_set():
                connection.request("GET", NAMESPACES, headers={"Authorization": f"Bearer {noisy}"})
                answer = connection.getresponse()
                answer.read()
                codes[answer.status] += 1

    threads = [threading.Thread(target=make_noise) for _ in range(24)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: bool(codes[429] and codes[200]))
        with closing(connect(limited)) as connection:
            for _ in range(50):
                connection.request("GET", NAMESPACES, headers={"Authorization": f"Bearer {quiet}"})
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert set(codes) == {200, 429}


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_body_that_is_too_large_is_refused(limited: Sekisho, *, chunked: bool) -> None:
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
        answer = connection.getresponse()
        assert answer.status == 413
        status = json.loads(answer.read())
        assert status["message"] == "the request's body is over 102400 bytes"
        assert status["reason"] == "RequestEntityTooLarge"
    allowed = limited.ask(
        "POST", NAMESPACES, token=token, body={"metadata": {"annotations": {"a": "x" * 50_000}}}
    )
    assert allowed.status == 422, "it has no name: the API server has read it"


def test_a_line_that_is_too_long_is_refused_with_a_status(limited: Sekisho) -> None:
    token = limited.token("root")
    target = f"{NAMESPACES}?labelSelector={'a' * 9000}"
    answer = limited.ask("GET", target, token=token)
    assert answer.status == 431
    assert answer.json()["kind"] == "Status"
    assert "aaaa" not in limited.log


def test_addresses_are_those_that_the_named_balancer_tells(limited: Sekisho) -> None:
    token = limited.token("root")
    headers = {"X-Forwarded-For": "6.6.6.6, 192.0.2.55"}
    answer = limited.ask("GET", NAMESPACES, token=token, headers=headers)
    audit = (limited.folder / "data" / "audit.log").read_text
    request_id = answer.headers["X-Request-Id"]
    until(lambda: request_id in audit())
    [line] = [line for line in audit().splitlines() if request_id in line]
    assert json.loads(line)["sourceIPs"] == ["192.0.2.55"]
