"""The chart's Pods run: on SQLite, and two on PostgreSQL, of which one is killed under load.

What the tests of two Pods show: clients open a connection for each GET, to a Pod whose readiness
probe passes, in turn, as a Service distributes them. While one Pod is killed, no GET fails if its
client sends it again, to the other Pod, when a connection breaks or is refused. While one Pod is
stopped in order, no GET fails although no request is ever sent again: a client only opens another
connection if one could not be opened.
"""

import http.client
import itertools
import json
import secrets
import signal
import ssl
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from proxy.transport.certificates import create_authority, issue_server
from tests.deploy.chart.values import POSTGRESQL, SQLITE, changed
from tests.support.addresses import LOOPBACK
from tests.support.helm import Helm
from tests.support.isolation import free_port
from tests.support.kubernetes import Kubernetes, kubectl
from tests.support.rendered_pod import RenderedPod, pod_of
from tests.support.sekisho import PASSWORD
from tests.support.waiting import wait_until

ALLOWED = {"clusters": {"allow_networks": [f"{address}" for address in LOOPBACK]}}
PATH = "/k8s/clusters/test/api/v1/namespaces/default"
CLIENTS = 4


def probe(pod: RenderedPod) -> bool:
    """Return whether the container's readiness probe passes; like a kubelet, without a CA."""
    http_get = pod.container["readinessProbe"]["httpGet"]
    assert http_get["scheme"] == "HTTPS"
    context = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection("127.0.0.1", pod.port, context=context, timeout=60)
    try:
        connection.request("GET", http_get["path"])
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def start(pod: RenderedPod) -> None:
    pod.start()
    await_ready(pod)


def await_ready(pod: RenderedPod) -> None:
    def ready_or_ended() -> bool:
        assert pod.process is not None
        assert pod.process.poll() is None, pod.log
        return probe(pod)

    wait_until(ready_or_ended, 300, lambda: pod.log)


def set_up(pod: RenderedPod, kubernetes: Kubernetes) -> Path:
    """Import the cluster and create a user who may enter it; return the user's kubeconfig."""
    # A file of the Pod's: `kubectl cp` puts it there.
    copied = pod.folder / "tmp" / "admin.kubeconfig"
    copied.write_bytes(kubernetes.admin_kubeconfig.read_bytes())
    pod.run("admin", "cluster", "import", "test", "--kubeconfig", str(copied))
    pod.run("admin", "user", "create", "alice", "--password-stdin", stdin=f"{PASSWORD}\n")
    pod.run("admin", "cluster", "grant", "test", "--user", "alice", "--role", "owner")
    file = pod.folder / "alice.kubeconfig"
    file.write_text(pod.run("admin", "kubeconfig", "test", "--user", "alice"))
    return file


def reads_through(pod: RenderedPod, kubeconfig: Path) -> None:
    """Read a namespace with kubectl through the Pod, as soon as the controllers allow it."""
    server = f"--server=https://127.0.0.1:{pod.port}/k8s/clusters/test"
    command = ("get", "namespace", "default", "-o", "name", server)
    wait_until(
        lambda: kubectl(kubeconfig, *command).stdout == "namespace/default\n",
        120,
        lambda: kubectl(kubeconfig, *command).stderr + pod.log,
    )


def test_pod_with_sqlite_serves_and_keeps_its_data_in_the_volume(
    helm: Helm, kubernetes: Kubernetes, tmp_path: Path
) -> None:
    values = changed(SQLITE, "config", ALLOWED)
    values["externalUrl"] = f"https://127.0.0.1:{free_port()}"
    values["server"] = {"shutdownDelaySeconds": 0}
    pod = pod_of(helm.objects(values), "Deployment", "sekisho", tmp_path / "pod", {})
    start(pod)
    try:
        wait_until(lambda: "one-time password: " in pod.log, 60)
        reads_through(pod, set_up(pod, kubernetes))
        assert pod.end(signal.SIGTERM) == 0
        start(pod)
        assert "one-time password: " not in pod.log
        assert "alice" in pod.run("admin", "user", "list")
        kept = {path.name for path in (pod.folder / "var/lib/sekisho/data").iterdir()}
        assert {"sekisho.db", "encryption.key", "tls"} <= kept
    finally:
        assert pod.end(signal.SIGTERM) == 0


@pytest.fixture
def pods(
    helm: Helm, kubernetes: Kubernetes, postgres_database: str, tmp_path: Path
) -> Iterator[tuple[list[RenderedPod], Path]]:
    """Run two Pods on PostgreSQL after the Job of the migration; yield them and a kubeconfig."""
    now = datetime.now(UTC)
    authority = create_authority("test", lifetime=timedelta(days=1), now=now)
    names = ["127.0.0.1"]
    server = issue_server(
        authority, common_name="sekisho", names=names, lifetime=timedelta(days=1), now=now
    )
    contents = {
        "database": {"url": postgres_database},
        "encryption": {"keys": b64encode(secrets.token_bytes(32)).decode() + "\n"},
        "server": {
            "tls.crt": server.certificate_pem.decode(),
            "tls.key": server.key_pem.decode(),
        },
        "server-ca": {"ca.crt": authority.certificate_pem.decode()},
    }
    values = changed(POSTGRESQL, "config", ALLOWED)
    values |= {
        "externalUrl": f"https://127.0.0.1:{free_port()}",
        "tls": {"source": "secret", "secret": "server", "ca": {"secret": "server-ca"}},
        "migrations": {"mode": "job"},
        "server": {"shutdownDelaySeconds": 5},
        "replicas": 2,
    }
    objects = helm.objects(values)
    pod_of(objects, "Job", "sekisho-migration", tmp_path / "job", contents).run_to_its_end()
    made = [
        pod_of(objects, "Deployment", "sekisho", tmp_path / f"pod-{number}", contents)
        for number in range(2)
    ]
    try:
        for pod in made:
            pod.start()
        for pod in made:
            await_ready(pod)
        yield made, set_up(made[0], kubernetes)
    finally:
        for pod in made:
            pod.end(signal.SIGKILL)


class Service:
    """Clients of several Pods, and the readiness that distributes their connections."""

    def __init__(self, pods: list[RenderedPod], kubeconfig: Path) -> None:
        config = json.loads(kubectl(kubeconfig, "config", "view", "--raw", "-o", "json").stdout)
        self._token = config["users"][0]["user"]["token"]
        self._context = ssl.create_default_context(
            cafile=str(pods[0].folder / "etc/sekisho/ca/ca.crt")
        )
        self._pods = pods
        self._ready = list(pods)
        self._turn = itertools.count()
        self._end = threading.Event()
        self.send_again = False
        self.answered: Counter[int] = Counter()
        self.failures: list[str] = []

    @contextmanager
    def loaded(self) -> Iterator[None]:
        """Send GETs until the block ends."""
        threads = [threading.Thread(target=self._get_forever) for _ in range(CLIENTS)]
        threads.append(threading.Thread(target=self._follow_readiness))
        try:
            for thread in threads:
                thread.start()
            yield
        finally:
            self._end.set()
            for thread in threads:
                thread.join()

    def answers_more(self, *pods: RenderedPod) -> None:
        """Wait until each of the Pods has answered more requests."""
        before = self.answered.copy()
        wait_until(
            lambda: (
                bool(self.failures)
                or all(self.answered[pod.port] > before[pod.port] + 20 for pod in pods)
            ),
            120,
            "responses of these Pods",
        )

    def _follow_readiness(self) -> None:
        while not self._end.wait(0.1):
            self._ready = [pod for pod in self._pods if probe(pod)]

    def _get_forever(self) -> None:
        while not self._end.is_set() and not self.failures:
            try:
                self._get()
            except Exception as exc:
                self.failures.append(repr(exc))

    def _get(self) -> None:
        tried: list[RenderedPod] = []
        while len(tried) < len(self._pods):
            ready = [pod for pod in self._ready if pod not in tried] or [
                pod for pod in self._pods if pod not in tried
            ]
            pod = ready[next(self._turn) % len(ready)]
            tried.append(pod)
            connection = http.client.HTTPSConnection(
                "127.0.0.1", pod.port, context=self._context, timeout=60
            )
            try:
                connection.connect()
            except OSError:  # Nothing was sent.
                connection.close()
                continue
            try:
                connection.request("GET", PATH, headers={"Authorization": f"Bearer {self._token}"})
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException):
                if not self.send_again:
                    raise
                continue
            finally:
                connection.close()
            assert response.status == 200, (response.status, body)
            self.answered[pod.port] += 1
            return
        raise AssertionError("no Pod serves")


def test_pod_of_two_is_killed_and_stopped_under_load_and_no_get_fails(
    pods: tuple[list[RenderedPod], Path],
) -> None:
    (first, second), kubeconfig = pods
    for pod in (first, second):
        reads_through(pod, kubeconfig)
    service = Service([first, second], kubeconfig)
    with service.loaded():
        service.answers_more(first, second)
        service.send_again = True
        first.end(signal.SIGKILL)
        service.answers_more(second)
        start(first)
        service.answers_more(first, second)
        service.send_again = False
        assert second.end(signal.SIGTERM) == 0
        service.answers_more(first)
    assert service.failures == []
