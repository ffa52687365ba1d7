"""A Sekisho with short timeouts, and clusters behind a proxy that injects faults."""

import asyncio
import http.client
import shutil
import socket
import ssl
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from proxy.cli.admin.database import offline_store
from proxy.demo.local_cluster import LocalCluster
from proxy.transport.certificates import KeyPair
from store.records import Cluster, CredentialSource
from tests.support.addresses import LOOPBACK
from tests.support.fault_proxy import FaultProxy
from tests.support.loop_thread import LoopThread
from tests.support.open_resources import assert_released, idle_resources
from tests.support.scripted_api_server import ScriptedApiServer, issue, make_authority
from tests.support.sekisho import Sekisho, free_port, make_sekisho, running
from tests.support.waiting import wait_until

SHORT = {
    "SEKISHO_UPSTREAM__CONNECT_TIMEOUT": "3s",
    "SEKISHO_UPSTREAM__RESPONSE_HEAD_TIMEOUT": "3s",
    "SEKISHO_UPSTREAM__IDLE_CONNECTION_TTL": "1s",
    # Controllers start and stop with clusters; these tests count resources of the data path.
    "SEKISHO_CONTROLLERS__ENABLED": "false",
}


@dataclass
class FaultSekisho(Sekisho):
    """A Sekisho whose clusters are changed in its store, as another replica would do it.

    ``root`` is a token of an administrator.
    """

    root: str = ""
    clusters: dict[str, Cluster] = field(default_factory=dict)

    def copy(self, folder: Path, **environment: str) -> "FaultSekisho":
        """Return a Sekisho with a copy of the store, not started."""
        shutil.copytree(self.folder / "data", folder / "data")
        made = make_fault_sekisho(folder, **environment)
        made.root = self.root
        return made

    @contextmanager
    def connected(self) -> Iterator[ssl.SSLSocket]:
        """Open a client connection for raw bytes."""
        ca = str(self.folder / "data" / "tls" / "ca.crt")
        context = ssl.create_default_context(cafile=ca)
        with (
            socket.create_connection(("127.0.0.1", self.port), 120) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
        ):
            yield connection

    @contextmanager
    def open_request(
        self, method: str, path: str, *, token: str | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request; yield the response, which the test reads in parts."""
        with self.connected() as connection:
            head = (
                f"{method} {path} HTTP/1.1\r\nHost: sekisho\r\nConnection: close\r\n"
                f"Authorization: Bearer {token or self.root}\r\n\r\n"
            )
            connection.sendall(head.encode())
            answer = http.client.HTTPResponse(connection, method=method)
            answer.begin()
            with closing(answer):  # Otherwise it keeps the connection open.
                yield answer

    def knows(self, cluster: str) -> bool:
        """Return whether the server has loaded a cluster."""
        return self.request("GET", f"/k8s/clusters/{cluster}/", token=self.root).status != 404

    def put_cluster(
        self, name: str, servers: list[str], ca_pem: bytes, *, controller_token: str | None = None
    ) -> None:
        """Create or replace a cluster in the store, whose change feed informs the server."""
        old = self.clusters.get(name)
        cluster = Cluster(
            id=old.id if old else f"c-{uuid.uuid4().hex[:10]}",
            name=name,
            servers=tuple(servers),
            ca_pem=ca_pem.decode(),
            tls_server_name=None,
            impersonator_token="the-impersonators-token",
            controller_token=controller_token,
            credential_source=CredentialSource.STATIC,
            tokens_expire_at=None,
            created_at=datetime.now(UTC),
            trusted_addresses=LOOPBACK,
        )
        self.clusters[name] = cluster
        asyncio.run(self._put(cluster, is_new=old is None))

    async def _put(self, cluster: Cluster, *, is_new: bool) -> None:
        async with offline_store(str(self.config)) as (_, store):
            await (store.clusters.create if is_new else store.clusters.replace)(cluster)


def make_fault_sekisho(folder: Path, **environment: str) -> FaultSekisho:
    """Create a Sekisho with short timeouts, without starting it."""
    made = make_sekisho(folder, (free_port(), free_port()))
    return FaultSekisho(folder, made.port, made.metrics_port, {**SHORT, **environment})


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> FaultSekisho:
    """A Sekisho with an administrator that is copied, never started."""
    template = make_fault_sekisho(tmp_path_factory.mktemp("prepared"))
    template.create_user("root", "--admin")
    template.root = template.token("root")
    return template


@pytest.fixture(scope="session")
def shared_sekisho(
    prepared: FaultSekisho, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FaultSekisho]:
    """A running Sekisho, shared by tests that leave it running."""
    sekisho = prepared.copy(tmp_path_factory.mktemp("shared_sekisho"))
    with running(sekisho):
        yield sekisho
        assert sekisho.stop() == 0


@pytest.fixture
def sekisho(shared_sekisho: FaultSekisho) -> Iterator[FaultSekisho]:
    """The shared Sekisho. After the test, assert that nothing is left open in it."""
    before = idle_resources(shared_sekisho)
    yield shared_sekisho
    assert_released(before, shared_sekisho)


@pytest.fixture(scope="session")
def authority() -> KeyPair:
    """The CA of the scripted API servers."""
    return make_authority()


@pytest.fixture(scope="session")
def scripted_session(
    authority: KeyPair, shared_sekisho: FaultSekisho
) -> Iterator[ScriptedApiServer]:
    """The only API server of the cluster ``scripted``."""
    with ScriptedApiServer(issue(authority)) as api_server:
        shared_sekisho.put_cluster("scripted", [api_server.url], authority.certificate_pem)
        wait_until(lambda: shared_sekisho.knows("scripted"), 20)
        yield api_server


@pytest.fixture
def scripted(scripted_session: ScriptedApiServer, sekisho: FaultSekisho) -> ScriptedApiServer:
    """The scripted API server, without scripts and received requests."""
    scripted_session.scripts.clear()
    scripted_session.received.clear()
    return scripted_session


@pytest.fixture(scope="session")
def two_api_servers(
    kubernetes_assets: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["RealApiServers"]:
    """A real cluster of two API servers on one etcd."""
    with LoopThread() as loop:
        cluster = LocalCluster(tmp_path_factory.mktemp("two"), api_servers=2, controllers=False)
        loop.call(cluster.__aenter__())
        try:
            yield RealApiServers(cluster, loop)
        finally:
            loop.call(cluster.__aexit__(None, None, None))


@dataclass(frozen=True)
class RealApiServers:
    """A cluster and its event loop."""

    cluster: LocalCluster
    loop: LoopThread

    def kill(self, api_server: int) -> None:
        """Kill an API server with SIGKILL."""
        self.loop.call(self.cluster.stop_api_server(api_server, kill=True))

    def start(self, api_server: int) -> None:
        """Start an API server again, at the same URL."""
        self.loop.call(self.cluster.start_api_server(api_server))


@pytest.fixture(scope="session")
def fault_proxy(
    two_api_servers: RealApiServers, shared_sekisho: FaultSekisho
) -> Iterator[FaultProxy]:
    """A fault proxy before a real API server; ``proxied`` is the cluster behind it."""
    cluster = two_api_servers.cluster
    with FaultProxy(int(cluster.servers[0].rpartition(":")[2])) as proxy:
        config = str(cluster.admin_kubeconfig)
        shared_sekisho.change(
            "admin", "cluster", "import", "proxied", "--kubeconfig", config, "--server", proxy.url
        )
        wait_until(lambda: shared_sekisho.knows("proxied"), 20)
        yield proxy


@pytest.fixture
def proxied(fault_proxy: FaultProxy, sekisho: FaultSekisho) -> Iterator[FaultProxy]:
    """The fault proxy. After the test, its faults are cleared."""
    yield fault_proxy
    fault_proxy.clear_faults()
