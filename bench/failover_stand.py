"""Three replicas on two PostgreSQL servers, in front of a real API server, for bench.failover.

Each replica reaches each PostgreSQL server through a relay of its own, which can cut it off.
"""

import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.failover_balancer import Balancer
from bench.servers import Workshop, free_port, image_environment
from proxy.demo.local_cluster import LocalCluster
from store.encryption import generate_key
from tests.support.fault_proxy import FaultProxy
from tests.support.loop_thread import LoopThread
from tests.support.postgres_pair import PRIMARY, PostgresPair, postgres_pair
from tests.support.sekisho import Sekisho, make_sekisho

REPLICAS = 3
USERS = 20
CLUSTER = "test"
LEADER = "sekisho_controller_leader"
OBJECT = "/api/v1/namespaces/default/configmaps/beat"
SETTLE_SECONDS = 10.0

SETTINGS = """\
store: {{url: '{url}', encryption_keys_file: ../keys}}
limits: {{token: {{in_flight: 0, watches: 0, upgrades: 0}}, user: {{in_flight: 0, watches: 0, \
upgrades: 0}}, connections: {{per_network: 0, per_known_network: 0}}}}
login: {{attempts_per_address: 100000, attempts_per_user: 100000}}
"""
"""All clients have one address here, and ten of them one token."""


@dataclass(slots=True)
class Replica:
    """A replica, and its relays to the PostgreSQL servers."""

    sekisho: Sekisho
    relays: tuple[FaultProxy, FaultProxy]

    @property
    def pid(self) -> int:
        """Return the id of its process."""
        assert self.sekisho.process is not None
        return self.sekisho.process.pid

    @property
    def leads(self) -> bool:
        """Return whether its controllers lead the cluster; False if it doesn't respond."""
        url = f"http://127.0.0.1:{self.sekisho.metrics_port}/metrics"
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                return f'{LEADER}{{cluster="{CLUSTER}"}} 1.0' in answer.read().decode()
        except OSError:
            return False


@dataclass(slots=True)
class Stand:
    """Everything that runs."""

    kubernetes: LocalCluster
    databases: PostgresPair
    replicas: list[Replica]
    balancer: Balancer
    url: str
    ca: Path
    tokens: list[str]
    primary: int = PRIMARY

    def leader(self, seconds: float = 60) -> Replica:
        """Return the replica that leads the cluster. Raises RuntimeError if none does in time."""
        deadline = time.monotonic() + seconds
        while True:
            for one in self.replicas:
                if one.leads:
                    return one
            if time.monotonic() > deadline:
                raise RuntimeError("no replica leads the cluster")
            time.sleep(0.1)

    def settle(self) -> None:
        """Wait until all replicas serve again."""
        self.balancer.await_all()
        self.leader()
        time.sleep(SETTLE_SECONDS)


@contextmanager
def stand(shop: Workshop) -> Iterator[Stand]:
    """Run everything inside the ``with`` block."""
    with ExitStack() as stack:
        loop = stack.enter_context(LoopThread())
        kubernetes = LocalCluster(shop.folder / "kubernetes")
        loop.call(kubernetes.__aenter__())
        stack.callback(lambda: loop.call(kubernetes.__aexit__(None, None, None)))
        beat = {"metadata": {"name": OBJECT.rpartition("/")[2]}, "data": {"count": "0"}}
        loop.call(kubernetes.request("POST", OBJECT.rpartition("/")[0], beat))
        databases = stack.enter_context(postgres_pair())
        (shop.folder / "keys").write_text(generate_key() + "\n")
        balancer_port = free_port()
        replicas = [
            _replica(stack, shop, databases, number, balancer_port) for number in range(REPLICAS)
        ]
        tokens = _fill(replicas[0].sekisho, kubernetes)
        for one in replicas:
            stack.callback(_end, one)
            one.sekisho.environment |= image_environment()
            one.sekisho.start()
        ports = [one.sekisho.port for one in replicas]
        balancer = Balancer(shop, shop.ca, balancer_port, ports)
        url = f"https://127.0.0.1:{balancer_port}"
        made = Stand(kubernetes, databases, replicas, balancer, url, shop.ca, tokens)
        made.settle()
        with _beating(loop, kubernetes):
            yield made


def _replica(
    stack: ExitStack, shop: Workshop, databases: PostgresPair, number: int, balancer_port: int
) -> Replica:
    relays = tuple(stack.enter_context(FaultProxy(port)) for port in databases.ports)
    folder = shop.folder / f"replica-{number}"
    folder.mkdir()
    url = databases.url(*(one.port for one in relays))
    sekisho = make_sekisho(folder, (free_port(), free_port()), SETTINGS.format(url=url))
    sekisho.environment = {
        "SEKISHO_SERVER__TLS__CERT_FILE": str(shop.folder / "tls.crt"),
        "SEKISHO_SERVER__TLS__KEY_FILE": str(shop.folder / "tls.key"),
        "SEKISHO_SERVER__TLS__CA_FILE": str(shop.ca),
        "SEKISHO_SERVER__EXTERNAL_URL": f"https://127.0.0.1:{balancer_port}",
        "SEKISHO_SERVER__SHUTDOWN_DELAY": "4s",
    }
    return Replica(sekisho, (relays[0], relays[1]))


def _fill(sekisho: Sekisho, kubernetes: LocalCluster) -> list[str]:
    """Import the cluster and create users; return a token of each."""
    sekisho.run(
        *("admin", "cluster", "import", CLUSTER, "--kubeconfig"), str(kubernetes.admin_kubeconfig)
    )
    tokens = []
    for number in range(USERS):
        name = f"user-{number}"
        sekisho.create_user(name)
        sekisho.prepare("admin", "cluster", "grant", CLUSTER, "--user", name, "--role", "member")
        tokens.append(sekisho.token(name))
    return tokens


@contextmanager
def _beating(loop: LoopThread, kubernetes: LocalCluster) -> Iterator[None]:
    """Change the watched object once a second."""
    ended = threading.Event()

    def beat() -> None:
        count = 0
        while not ended.wait(1):
            count += 1
            body = {"metadata": {"name": OBJECT.rpartition("/")[2]}, "data": {"count": str(count)}}
            loop.call(kubernetes.request("PUT", OBJECT, body))

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _end(replica: Replica) -> None:
    process = replica.sekisho.process
    if process is not None:
        process.kill()
        process.wait()
