"""A real cluster of these tests' own, with two masters, empty of Sekisho before each test."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiohttp import web

from management.downstream.endpoint import Credential, Endpoint
from management.downstream.objects import LABELS, NAMESPACE, collection_path
from management.import_kubeconfig import from_kubeconfig
from proxy.certificates import KeyPair, create_authority, issue_client, issue_server
from proxy.demo.assets import Assets
from proxy.demo.downstream import Downstream, RequestError
from store.database import open_store
from store.encryption import Keyring, generate_key
from store.interfaces import Principal, Store, User
from tests.parts.kubernetes import kubectl
from tests.parts.loop_thread import LoopThread

T = TypeVar("T")

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Serve = Callable[..., AbstractAsyncContextManager[Endpoint]]

SELECTOR = ",".join(f"{key}={value}" for key, value in LABELS.items())
CLUSTER_WIDE = ("ClusterRoleBinding", "ClusterRole")
NAMESPACED = ("RoleBinding", "Role", "Secret", "ServiceAccount")


class OwnCluster(Downstream):
    """The cluster, on a loop in another thread, with what these tests ask of it."""

    def __init__(self, directory: Path, loop: LoopThread, assets: Assets) -> None:
        super().__init__(directory, masters=2, assets=assets)
        self._loop = loop

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run one of the cluster's coroutines."""
        return self._loop.call(work)

    def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Ask as the administrator."""
        return self.call(self.request(method, path, body))

    @property
    def endpoint(self) -> Endpoint:
        """Both masters."""
        return Endpoint(tuple(self.servers), self.ca_pem.decode())

    @property
    def administrator(self) -> Credential:
        """The administrator's certificate."""
        return from_kubeconfig(self.admin_kubeconfig).credential

    def certificate_for(self, user: str) -> Credential:
        """A client certificate for anybody."""
        pair = issue_client(
            self.authority,
            common_name=user,
            organizations=[],
            lifetime=timedelta(hours=1),
            now=datetime.now(UTC),
        )
        certificate, key = pair.certificate_pem, pair.key_pem
        return Credential(certificate_pem=certificate.decode(), key_pem=key.decode())

    def ours(self) -> dict[str, str]:
        """Every object with our label, and the version of each."""
        found = {}
        for kind in (*CLUSTER_WIDE, *NAMESPACED, "Namespace"):
            path = f"{collection_path(kind)}?labelSelector={SELECTOR}"
            for item in self.ask("GET", path)["items"]:
                metadata = item["metadata"]
                found[f"{kind} {metadata['name']}"] = metadata["resourceVersion"]
        return found

    def wipe(self) -> None:
        """Delete what is ours at once: the namespace doesn't wait for its controller."""
        for kind in CLUSTER_WIDE:
            self.ask("DELETE", f"{collection_path(kind)}?labelSelector={SELECTOR}")
        with suppress(RequestError):  # There is no such namespace.
            for kind in NAMESPACED:
                self.ask("DELETE", collection_path(kind, NAMESPACE))
            path = f"/api/v1/namespaces/{NAMESPACE}"
            self.ask("DELETE", path)
            self.ask("PUT", f"{path}/finalize", {"metadata": {"name": NAMESPACE}, "spec": {}})

    def can_i(self, user: str, *question: str) -> bool:
        """What the cluster says a user may do."""
        done = kubectl(self.admin_kubeconfig, "auth", "can-i", *question, f"--as={user}")
        return done.stdout.strip() == "yes"


@pytest.fixture(scope="module")
def authority() -> KeyPair:
    return create_authority("test", lifetime=timedelta(days=1), now=datetime.now(UTC))


@pytest.fixture
def server_tls(authority: KeyPair, tmp_path: Path) -> ssl.SSLContext:
    pair = issue_server(
        authority,
        common_name="api",
        names=["127.0.0.1", "::1"],
        lifetime=timedelta(days=1),
        now=datetime.now(UTC),
    )
    (tmp_path / "pair.pem").write_bytes(pair.certificate_pem + pair.key_pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "pair.pem")
    return context


@pytest.fixture
def serve(authority: KeyPair, server_tls: ssl.SSLContext) -> Serve:
    """``async with serve(handler)`` gives the endpoint of a server that answers so."""

    @asynccontextmanager
    async def serve(handler: Handler, host: str = "127.0.0.1") -> AsyncIterator[Endpoint]:
        runner = web.ServerRunner(web.Server(handler))
        await runner.setup()
        await web.TCPSite(runner, host, 0, ssl_context=server_tls).start()
        port = runner.addresses[0][1]
        shown = f"[{host}]" if ":" in host else host
        try:
            yield Endpoint((f"https://{shown}:{port}",), authority.certificate_pem.decode())
        finally:
            await runner.cleanup()

    return serve


@pytest.fixture(scope="session")
def kubernetes(
    kubernetes_assets: Assets, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OwnCluster]:
    """A cluster that these tests share with nobody, for they take Sekisho out of it."""
    with LoopThread() as loop:
        cluster = OwnCluster(tmp_path_factory.mktemp("clusters"), loop, kubernetes_assets)
        loop.call(cluster.__aenter__())
        try:
            yield cluster
        finally:
            loop.call(cluster.__aexit__(None, None, None))


@pytest.fixture
def clean(kubernetes: OwnCluster) -> OwnCluster:
    """The cluster with nothing of Sekisho in it."""
    kubernetes.wipe()
    return kubernetes


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store with three users: alice and bob, and carol who is disabled."""
    opened = await open_store(f"sqlite:///{tmp_path}/store.db", Keyring.parse(generate_key()))
    for name in ("alice", "bob", "carol"):
        await opened.users.create(user(name))
    await opened.users.update(user("carol").id, enabled=False)
    yield opened
    await opened.close()


def user(name: str) -> User:
    """The user of that name, as the store has it."""
    user_id = f"u-{name:a<10}"
    return User(
        id=user_id,
        username=name,
        display_name=name.title(),
        enabled=True,
        administrator=False,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        principals=(Principal(f"local://{user_id}", "local", name),),
    )
