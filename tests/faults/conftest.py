"""A Sekisho with short time limits, and clusters in front of which faults can be put."""

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
from click.testing import CliRunner

from proxy import cli
from proxy.certificates import KeyPair
from proxy.cli.common import offline_store
from proxy.demo.downstream import Downstream
from store.interfaces import Cluster, CredentialSource
from tests.parts.fault_proxy import FaultProxy
from tests.parts.loop_thread import LoopThread
from tests.parts.scripted_master import ScriptedMaster, issue, make_authority
from tests.parts.sekisho import Sekisho, free_port, make_sekisho
from tests.parts.vitals import assert_no_more_than, resting, until

SHORT = {
    "SEKISHO_GATE__CONNECT_TIMEOUT": "3s",
    "SEKISHO_GATE__RESPONSE_HEAD_TIMEOUT": "3s",
    "SEKISHO_GATE__IDLE_CONNECTION_TTL": "1s",
    # What looks after clusters comes and goes with them; here the data path is counted.
    "SEKISHO_CONTROLLERS__ENABLED": "false",
}


@dataclass
class Besieged(Sekisho):
    """A Sekisho that clusters are given to behind its back, as another replica would.

    ``token`` is an administrator's.
    """

    root: str = ""
    clusters: dict[str, Cluster] = field(default_factory=dict)

    def copy(self, folder: Path, **environment: str) -> "Besieged":
        """Another one with the same store's content, to be started."""
        shutil.copytree(self.folder / "data", folder / "data")
        made = make_besieged(folder, **environment)
        made.root = self.root
        return made

    def quickly(self, *arguments: str, stdin: str | None = None) -> str:
        """What a command prints, without a process of its own: to prepare something."""
        done = CliRunner().invoke(cli.main, ["-c", str(self.config), *arguments], input=stdin)
        assert done.exit_code == 0, done.output
        return done.stdout.strip()

    @contextmanager
    def connected(self) -> Iterator[ssl.SSLSocket]:
        """A client's connection, for bytes of the test's own."""
        ca = str(self.folder / "data" / "tls" / "ca.crt")
        context = ssl.create_default_context(cafile=ca)
        with (
            socket.create_connection(("127.0.0.1", self.port), 40) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
        ):
            yield connection

    @contextmanager
    def asking(
        self, method: str, path: str, *, token: str | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """An answer that the test reads bit by bit."""
        with self.connected() as connection:
            head = (
                f"{method} {path} HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n"
                f"Authorization: Bearer {token or self.root}\r\n\r\n"
            )
            connection.sendall(head.encode())
            answer = http.client.HTTPResponse(connection, method=method)
            answer.begin()
            with closing(answer):  # Or it would keep the connection open.
                yield answer

    def knows(self, cluster: str) -> bool:
        """Whether the server has heard of a cluster."""
        return self.ask("GET", f"/k8s/clusters/{cluster}/", token=self.root).status != 404

    def put_cluster(
        self, name: str, servers: list[str], ca_pem: bytes, *, controller_token: str | None = None
    ) -> None:
        """Store a cluster, or change it. The server hears of it by itself."""
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
        )
        self.clusters[name] = cluster
        asyncio.run(self._put(cluster, is_new=old is None))

    async def _put(self, cluster: Cluster, *, is_new: bool) -> None:
        async with offline_store(str(self.config)) as (_, store):
            await (store.clusters.create if is_new else store.clusters.replace)(cluster)


def make_besieged(folder: Path, **environment: str) -> Besieged:
    """A Sekisho with short time limits that has not been started."""
    made = make_sekisho(folder, (free_port(), free_port()))
    return Besieged(folder, made.port, made.metrics_port, {**SHORT, **environment})


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Besieged:
    """A store with an administrator, on which no server runs: to be copied."""
    template = make_besieged(tmp_path_factory.mktemp("prepared"))
    template.create_user("root", "--admin")
    template.root = template.token("root")
    return template


@pytest.fixture(scope="session")
def besieged(prepared: Besieged, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    """A running one for all tests that leave it running."""
    sekisho = prepared.copy(tmp_path_factory.mktemp("besieged"))
    sekisho.start()
    yield sekisho
    assert sekisho.stop() == 0


@pytest.fixture
def sekisho(besieged: Besieged) -> Iterator[Besieged]:
    """The same, with the assertion that a test leaves nothing open in it."""
    before = resting(besieged)
    yield besieged
    assert_no_more_than(before, besieged)


@pytest.fixture(scope="session")
def authority() -> KeyPair:
    """Who signs the scripted masters' certificates."""
    return make_authority()


@pytest.fixture(scope="session")
def scripted_session(authority: KeyPair, besieged: Besieged) -> Iterator[ScriptedMaster]:
    """The one master of the cluster ``scripted``."""
    with ScriptedMaster(issue(authority)) as master:
        besieged.put_cluster("scripted", [master.url], authority.certificate_pem)
        until(lambda: besieged.knows("scripted"), 20)
        yield master


@pytest.fixture
def scripted(scripted_session: ScriptedMaster, sekisho: Besieged) -> ScriptedMaster:
    """The same, with no scripts and nothing asked yet."""
    scripted_session.scripts.clear()
    scripted_session.asked.clear()
    return scripted_session


@pytest.fixture(scope="session")
def two_masters(
    kubernetes_assets: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["RealMasters"]:
    """A real cluster of two API servers on one etcd."""
    with LoopThread() as loop:
        cluster = Downstream(tmp_path_factory.mktemp("two"), masters=2, controllers=False)
        loop.call(cluster.__aenter__())
        try:
            yield RealMasters(cluster, loop)
        finally:
            loop.call(cluster.__aexit__(None, None, None))


@dataclass(frozen=True)
class RealMasters:
    """The cluster and the loop it lives on."""

    cluster: Downstream
    loop: LoopThread

    def kill(self, master: int) -> None:
        """kill -9."""
        self.loop.call(self.cluster.stop_master(master, kill=True))

    def start(self, master: int) -> None:
        """Start one again, at the same URL."""
        self.loop.call(self.cluster.start_master(master))


@pytest.fixture(scope="session")
def fault_proxy(two_masters: RealMasters, besieged: Besieged) -> Iterator[FaultProxy]:
    """A proxy before a real API server; the cluster ``proxied`` is reached through it only."""
    cluster = two_masters.cluster
    with FaultProxy(int(cluster.servers[0].rpartition(":")[2])) as proxy:
        config = str(cluster.admin_kubeconfig)
        besieged.run("cluster", "import", "proxied", "--kubeconfig", config, "--server", proxy.url)
        until(lambda: besieged.knows("proxied"), 20)
        yield proxy


@pytest.fixture
def proxied(fault_proxy: FaultProxy, sekisho: Besieged) -> Iterator[FaultProxy]:
    """The same, healed afterwards."""
    yield fault_proxy
    fault_proxy.heal()
