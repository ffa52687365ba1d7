"""Fixtures: a store, a real cluster with two API servers, a scripted API server, and a Sekisho."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiohttp import web

from management.clusters.kubeconfig_import import from_kubeconfig
from management.kubernetes.endpoint import ClusterCredential, ClusterEndpoint
from management.kubernetes.manifests import LABELS, NAMESPACE, collection_path
from proxy.demo.binaries import Binaries
from proxy.demo.local_cluster import LocalCluster, RequestError
from proxy.transport.certificates import KeyPair, create_authority, issue_client, issue_server
from store.encryption import Keyring, generate_key
from store.interfaces import Store
from store.records import Principal, User
from tests.management.identity.providers import sign_in
from tests.support.addresses import LOOPBACK_ALLOWED
from tests.support.kubernetes import kubectl
from tests.support.loop_thread import LoopThread
from tests.support.sekisho import Sekisho, free_port, make_sekisho, running
from tests.support.stores import open_new_store

T = TypeVar("T")

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Serve = Callable[..., AbstractAsyncContextManager[ClusterEndpoint]]

SELECTOR = ",".join(f"{key}={value}" for key, value in LABELS.items())
CLUSTER_WIDE = ("ClusterRoleBinding", "ClusterRole")
NAMESPACED = (
    *("RoleBinding", "Role", "Secret", "ServiceAccount"),
    *("Deployment", "PodDisruptionBudget", "NetworkPolicy"),
)


class OwnCluster(LocalCluster):
    """A cluster on an event loop in another thread, with the requests that these tests need."""

    def __init__(self, directory: Path, loop: LoopThread, assets: Binaries) -> None:
        super().__init__(
            directory,
            api_servers=2,
            aggregation=True,
            # Deprecated, and removed by the next minor release.
            flags=["--runtime-config=networking.k8s.io/v1beta1=true"],
            assets=assets,
        )
        self._loop = loop

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine of the cluster."""
        return self._loop.call(work)

    def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Send a request as the administrator."""
        return self.call(self.request(method, path, body))

    @property
    def endpoint(self) -> ClusterEndpoint:
        """Return the endpoint of both API servers."""
        return ClusterEndpoint(
            tuple(self.servers), self.ca_pem.decode(), addresses=LOOPBACK_ALLOWED
        )

    @property
    def administrator(self) -> ClusterCredential:
        """Return the administrator's client certificate."""
        return from_kubeconfig(self.admin_kubeconfig).credential

    def certificate_for(self, user: str) -> ClusterCredential:
        """Return a client certificate for any user name."""
        pair = issue_client(
            self.authority,
            common_name=user,
            organizations=[],
            lifetime=timedelta(hours=1),
            now=datetime.now(UTC),
        )
        certificate, key = pair.certificate_pem, pair.key_pem
        return ClusterCredential(certificate_pem=certificate.decode(), key_pem=key.decode())

    def managed_objects(self) -> dict[str, str]:
        """Return the resource versions of all objects with Sekisho's label."""
        found = {}
        for kind in (*CLUSTER_WIDE, *NAMESPACED, "Namespace"):
            path = f"{collection_path(kind)}?labelSelector={SELECTOR}"
            for item in self.ask("GET", path)["items"]:
                metadata = item["metadata"]
                found[f"{kind} {metadata['name']}"] = metadata["resourceVersion"]
        return found

    def wipe(self) -> None:
        """Delete Sekisho's objects, and the namespace without waiting for its controller.

        The finalizer is removed before the deletion: the controller acts on a namespace that is
        being deleted and has one, and it deletes by the namespace's name. It would delete the
        service accounts of the next import, too.
        """
        for kind in CLUSTER_WIDE:
            self.ask("DELETE", f"{collection_path(kind)}?labelSelector={SELECTOR}")
        with suppress(RequestError):  # The namespace does not exist.
            for kind in NAMESPACED:
                self.ask("DELETE", collection_path(kind, NAMESPACE))
            path = f"/api/v1/namespaces/{NAMESPACE}"
            self.ask("PUT", f"{path}/finalize", {"metadata": {"name": NAMESPACE}, "spec": {}})
            self.ask("DELETE", path)  # It is marked as being deleted,
            self.ask("DELETE", path)  # and deleted.

    def can_i(self, user: str, *question: str) -> bool:
        """Return whether a user has a permission, by the cluster's authorizer."""
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
    """``async with serve(handler)`` yields the endpoint of a server with that handler."""

    @asynccontextmanager
    async def serve(handler: Handler, host: str = "127.0.0.1") -> AsyncIterator[ClusterEndpoint]:
        runner = web.ServerRunner(web.Server(handler), shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, 0, ssl_context=server_tls).start()
            port = runner.addresses[0][1]
            shown = f"[{host}]" if ":" in host else host
            yield ClusterEndpoint(
                (f"https://{shown}:{port}",),
                authority.certificate_pem.decode(),
                addresses=LOOPBACK_ALLOWED,
            )
        finally:
            await runner.cleanup()

    return serve


@pytest.fixture(scope="session")
def kubernetes(
    kubernetes_assets: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OwnCluster]:
    """A cluster for these tests only, because they remove Sekisho from it."""
    with LoopThread() as loop:
        cluster = OwnCluster(tmp_path_factory.mktemp("clusters"), loop, kubernetes_assets)
        loop.call(cluster.__aenter__())
        try:
            yield cluster
        finally:
            loop.call(cluster.__aexit__(None, None, None))


@pytest.fixture
def clean(kubernetes: OwnCluster) -> OwnCluster:
    """The cluster without Sekisho's objects."""
    kubernetes.wipe()
    return kubernetes


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store with three users: alice, bob, and carol, who is disabled."""
    opened = await open_new_store(
        f"sqlite:///{tmp_path}/store.db",
        Keyring.parse(generate_key()),
        addresses=LOOPBACK_ALLOWED,
    )
    for name in ("alice", "bob", "carol"):
        await opened.users.create(user(name))
    await opened.users.update(user("carol").id, enabled=False)
    yield opened
    await opened.close()


def user(name: str) -> User:
    """Return the stored user with that name."""
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


@pytest.fixture(scope="module")
def server(prepared_server: Sekisho, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    """A running Sekisho: alice and bob are users, root is an administrator.

    Each module has its own server, so that nothing depends on modules before it.
    """
    made = prepared_server.copied_to(tmp_path_factory.mktemp("api") / "server")
    with running(made):
        yield made


@pytest.fixture(scope="session")
def prepared_server(tmp_path_factory: pytest.TempPathFactory) -> Sekisho:
    """The server of which ``server`` runs copies."""
    folder = tmp_path_factory.mktemp("api")
    made = make_sekisho(folder, (free_port(), free_port()))
    made.environment["SEKISHO_LOGIN__ATTEMPTS_PER_ADDRESS"] = "1000"
    made.start()  # makes the first administrator
    for name in ("alice", "bob"):
        made.create_user(name)
    made.create_user("root", "--admin")
    made.stop()
    return made


@pytest.fixture
def root(server: Sekisho) -> str:
    """A token of the administrator root at the test's server."""
    return sign_in(server, "root")


@pytest.fixture
def manager(server: Sekisho) -> str:
    """A token of manager, who may manage providers, at a server of ``serving``."""
    return sign_in(server, "manager")
