"""A replica of two stops behind a load balancer of the recipe, and no request fails."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from proxy.transport.certificates import create_authority, issue_server
from store.encryption import generate_key
from tests.e2e.balancers import Balancer, running_balancer
from tests.support.kubernetes import Kubernetes
from tests.support.sekisho import Sekisho, free_port, make_sekisho, running
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(600)

SHUTDOWN_DELAY = 15
"""Seconds between unready and closing: several checks of a balancer, also on a busy machine."""

WORKERS = 4


@dataclass
class Pair:
    """Two replicas of one PostgreSQL, and a token of a user."""

    replicas: list[Sekisho]
    ca: Path
    token: str


@pytest.fixture
def pair(kubernetes: Kubernetes, postgres_database: str, tmp_path: Path) -> Iterator[Pair]:
    now, day = datetime.now(UTC), timedelta(days=1)
    authority = create_authority("test", lifetime=day, now=now)
    names = ["127.0.0.1", "localhost"]
    made = issue_server(authority, common_name="x", names=names, lifetime=day, now=now)
    for name, content in (
        ("own-ca.crt", authority.certificate_pem),
        ("tls.crt", made.certificate_pem),
        ("tls.key", made.key_pem),
        ("keys", generate_key().encode()),
    ):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    replicas = [replica(tmp_path / name, postgres_database) for name in ("one", "two")]
    admin = str(kubernetes.admin_kubeconfig)
    replicas[0].change("admin", "cluster", "import", "test", "--kubeconfig", admin)
    replicas[0].create_user("root", "--admin")
    token = replicas[0].token("root")
    with ExitStack() as started:
        for one in replicas:
            started.enter_context(running(one))
        wait_until(lambda: any(is_synced(one) for one in replicas), 300, "rights in the cluster")
        yield Pair(replicas, tmp_path / "own-ca.crt", token)


def replica(folder: Path, database: str) -> Sekisho:
    folder.mkdir()
    store = f"store: {{url: '{database}', encryption_keys_file: ../keys}}\n"
    made = make_sekisho(folder, (free_port(), free_port()), store)
    settings = (
        "tls: {cert_file: ../tls.crt, key_file: ../tls.key, ca_file: ../own-ca.crt}, "
        f'shutdown_delay: {SHUTDOWN_DELAY}s, trusted_proxies: ["127.0.0.1/32"]'
    )
    made.config.write_text(made.config.read_text().replace("server: {", f"server: {{{settings}, "))
    return made


def is_synced(one: Sekisho) -> bool:
    return one.metric('sekisho_controller_synced{cluster="test"}') == 1


class Reader:
    """Reads namespaces again and again. ``failed`` has what was not the status 200."""

    def __init__(self, balancer: Balancer, token: str) -> None:
        self._balancer = balancer
        self._token = token
        self._connection = balancer.connect()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.served = 0
        self.failed: list[str] = []

    def __enter__(self) -> "Reader":
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._ended.set()
        self._thread.join(120)

    def _run(self) -> None:
        while not self._ended.wait(0.01):
            try:
                self._read()
            except Exception as exc:  # all count as failures
                self.failed.append(repr(exc))

    def _read(self) -> None:
        """Read once; on a connection of its own if the balancer does not see requests."""
        headers = {"Authorization": f"Bearer {self._token}"}
        self._connection.request("GET", "/k8s/clusters/test/api/v1/namespaces", headers=headers)
        response = self._connection.getresponse()
        text = response.read()
        if not self._balancer.ends_tls:
            self._connection.close()
        if response.status == 200:
            self.served += 1
        else:
            self.failed.append(f"{response.status} {text!r}")


@pytest.mark.parametrize("name", ["envoy-passthrough.yaml", "envoy-terminated.yaml"])
def test_replica_that_stops_behind_a_balancer_fails_no_request(
    pair: Pair, name: str, load_balancers: dict[str, Path], tmp_path: Path
) -> None:
    ports = [one.port for one in pair.replicas]
    with (
        running_balancer(name, load_balancers, tmp_path, ports, pair.ca) as balancer,
        ExitStack() as stack,
    ):
        readers = [stack.enter_context(Reader(balancer, pair.token)) for _ in range(WORKERS)]
        for one in pair.replicas:
            await_requests(one)
        assert pair.replicas[0].stop() == 0
        await_more(readers)
        pair.replicas[0].start()
        await_requests(pair.replicas[0])
        assert pair.replicas[1].stop() == 0
        await_more(readers)
    assert [failure for one in readers for failure in one.failed] == []


def await_requests(one: Sekisho) -> None:
    """Wait until a replica has responded to a request of a reader."""
    line = 'sekisho_requests_total{cluster="test",code="200",verb="list"}'
    wait_until(lambda: one.metric(line) > 0, 300, "a request at a replica")


def await_more(readers: list[Reader]) -> None:
    """Wait until each reader has more responses."""
    wanted = [one.served + 20 for one in readers]
    wait_until(
        lambda: all(one.served >= least for one, least in zip(readers, wanted, strict=True)),
        300,
        lambda: f"responses after {[one.failed for one in readers]}",
    )
