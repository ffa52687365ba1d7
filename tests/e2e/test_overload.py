"""A server that takes itself for overloaded all the time, with a noisy caller and a small one."""

import http.client
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.parts.kubernetes import Kubernetes
from tests.parts.sekisho import Sekisho, free_port, make_sekisho
from tests.parts.waiting import until

NAMESPACES = "/k8s/clusters/test/api/v1/namespaces"
OVERLOAD = "limits: {overload: {late_ms: 0, very_late_ms: 1000000, small: 5}}\n"
CONNECTIONS = 24


@pytest.fixture(scope="module")
def overloaded(
    tmp_path_factory: pytest.TempPathFactory, kubernetes: Kubernetes
) -> Iterator[Sekisho]:
    """root and alice administer."""
    folder = tmp_path_factory.mktemp("overloaded")
    sekisho = make_sekisho(folder, (free_port(), free_port()), OVERLOAD)
    sekisho.run("cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig))
    sekisho.start()
    for name in ("root", "alice"):
        sekisho.create_user(name, "--admin")
    yield sekisho
    sekisho.stop()


class Noise:
    """Connections that ask again as soon as they are answered, until ``stop`` is set."""

    def __init__(self, sekisho: Sekisho, token: str) -> None:
        self.codes: Counter[int] = Counter()
        self.without_retry_after = 0
        self.stop = threading.Event()
        self._sekisho = sekisho
        self._token = token
        self._threads = [threading.Thread(target=self._ask) for _ in range(CONNECTIONS)]

    def __enter__(self) -> "Noise":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join(30)

    def _ask(self) -> None:
        with closing(connect(self._sekisho)) as connection:
            while not self.stop.is_set():
                answer = get(connection, self._token)
                self.codes[answer.status] += 1
                if answer.status != 200 and answer.headers["Retry-After"] not in ("1", "2"):
                    self.without_retry_after += 1


def connect(sekisho: Sekisho) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=str(sekisho.folder / "data" / "tls" / "ca.crt"))
    return http.client.HTTPSConnection("127.0.0.1", sekisho.port, context=context, timeout=30)


def get(connection: http.client.HTTPSConnection, token: str) -> http.client.HTTPResponse:
    connection.request("GET", NAMESPACES, headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    answer.read()
    return answer


def test_the_noisy_one_is_told_to_come_back_and_the_small_one_is_served(
    overloaded: Sekisho,
) -> None:
    small = overloaded.token("alice")
    with (
        Noise(overloaded, overloaded.token("root")) as noise,
        closing(connect(overloaded)) as connection,
    ):
        get(connection, small)  # whoever is alone is refused nothing
        until(lambda: noise.codes[429] > 0)
        for _ in range(10):
            assert get(connection, small).status == 200
            answered = noise.codes.total()
            until(lambda seen=answered: noise.codes.total() >= seen + 5)  # type: ignore[misc]
    assert set(noise.codes) == {200, 429}
    assert noise.without_retry_after == 0
    assert overloaded.metric('sekisho_limited_requests_total{scope="overload"}') > 0
    assert overloaded.metric("sekisho_overloaded") == 1
    assert overloaded.metric("sekisho_event_loop_late_seconds_count") > 0
