"""A server that always counts as overloaded, with one heavy and one light caller."""

import http.client
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.support.kubernetes import Kubernetes
from tests.support.sekisho import Sekisho, free_port, make_sekisho, running
from tests.support.waiting import wait_until

NAMESPACES = "/k8s/clusters/test/api/v1/namespaces"
OVERLOAD = "limits: {overload: {lag_threshold: 0s, critical_lag: 1000s, min_rate: 5}}\n"
CONNECTIONS = 24


@pytest.fixture(scope="module")
def overloaded(
    tmp_path_factory: pytest.TempPathFactory, kubernetes: Kubernetes
) -> Iterator[Sekisho]:
    """Yield a server with a lag threshold of zero; root and alice are administrators."""
    folder = tmp_path_factory.mktemp("overloaded")
    sekisho = make_sekisho(folder, (free_port(), free_port()), OVERLOAD)
    sekisho.change(
        "admin", "cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig)
    )
    with running(sekisho):
        for name in ("root", "alice"):
            sekisho.create_user(name, "--admin")
        yield sekisho


class Load:
    """Connections that send the next request after each response until ``stop`` is set."""

    def __init__(self, sekisho: Sekisho, token: str) -> None:
        self.codes: Counter[int] = Counter()
        self.without_retry_after = 0
        self.stop = threading.Event()
        self._sekisho = sekisho
        self._token = token
        self._threads = [threading.Thread(target=self._send) for _ in range(CONNECTIONS)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join(120)

    def _send(self) -> None:
        with closing(connect(self._sekisho)) as connection:
            while not self.stop.is_set():
                response = get(connection, self._token)
                self.codes[response.status] += 1
                if response.status != 200 and response.headers["Retry-After"] not in ("1", "2"):
                    self.without_retry_after += 1


def connect(sekisho: Sekisho) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=str(sekisho.folder / "data" / "tls" / "ca.crt"))
    return http.client.HTTPSConnection("127.0.0.1", sekisho.port, context=context, timeout=120)


def get(connection: http.client.HTTPSConnection, token: str) -> http.client.HTTPResponse:
    connection.request("GET", NAMESPACES, headers={"Authorization": f"Bearer {token}"})
    response = connection.getresponse()
    response.read()
    return response


def test_heavy_caller_under_overload_gets_429_and_light_caller_is_served(
    overloaded: Sekisho,
) -> None:
    light = overloaded.token("alice")
    with (
        Load(overloaded, overloaded.token("root")) as load,
        closing(connect(overloaded)) as connection,
    ):
        get(connection, light)  # the only caller is never rejected
        wait_until(lambda: load.codes[429] > 0)
        for _ in range(10):
            assert get(connection, light).status == 200
            responses = load.codes.total()
            wait_until(lambda seen=responses: load.codes.total() >= seen + 5)  # type: ignore[misc]
    assert set(load.codes) == {200, 429}
    assert load.without_retry_after == 0
    assert overloaded.metric('sekisho_rejected_requests_total{scope="overload"}') > 0
    assert overloaded.metric("sekisho_overloaded") == 1
    assert overloaded.metric("sekisho_event_loop_lag_seconds_count") > 0
