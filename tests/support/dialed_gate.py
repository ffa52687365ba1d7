"""The gate in this process, in front of the session's cluster: directly, or through tunnels.

It shares the users of the session's Sekisho, who are bound in the cluster already, and runs no
controllers.
"""

import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from management.clusters.kubeconfig_import import from_kubeconfig
from management.clusters.service_account_tokens import request_token
from management.kubernetes.client import ClusterClient
from management.kubernetes.manifests import IMPERSONATOR
from proxy.app import build_application
from proxy.client.server import ProxyServer
from proxy.files.data_dir import open_keyring
from proxy.server.listeners import listen_for_clients
from proxy.startup.configuration import load_config
from proxy.transport.server_tls import ServerTls
from store.database import open_store
from store.interfaces import Store
from store.records import Cluster, CredentialSource, Principal, Reach, Token, User
from tests.store.records import let_in
from tests.support.addresses import LOOPBACK, LOOPBACK_ALLOWED
from tests.support.agent_tunnels import AgentDialer, agents
from tests.support.kubernetes import Kubernetes
from tests.support.sekisho import free_port
from tests.support.waiting import eventually

CLUSTER = "c-aaaaaaaaaa"
TOKEN = "token-dialeddial:0123456789012345678901234567890123456789abc"

KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters:
- {{name: gate, cluster: {{server: "{url}", certificate-authority: "{ca}"}}}}
users: [{{name: alice, user: {{token: "{token}"}}}}]
contexts: [{{name: gate, context: {{cluster: gate, user: alice}}}}]
current-context: gate
"""


@dataclass
class Gate:
    """A running gate. ``dialer`` is None where it reaches the cluster directly."""

    url: str
    ca: Path
    kubeconfig: Path
    dialer: AgentDialer | None
    server: ProxyServer

    def tls(self) -> ssl.SSLContext:
        """Return a context that trusts the gate."""
        return ssl.create_default_context(cafile=str(self.ca))

    async def knows_the_cluster(self) -> bool:
        """Return whether the gate has read the cluster from its store."""
        async with self.session() as session, session.get("version") as response:
            return response.status == 200

    def session(self) -> aiohttp.ClientSession:
        """Return a session of the user; paths are relative to the cluster."""
        return aiohttp.ClientSession(
            f"{self.url}/",
            headers={"Authorization": f"Bearer {TOKEN}"},
            connector=aiohttp.TCPConnector(ssl=self.tls(), limit=0),
        )


@asynccontextmanager
async def gate(
    folder: Path, kubernetes: Kubernetes, user_id: str, reach: Reach, *, ways: int = 2
) -> AsyncIterator[Gate]:
    """Run a gate for one user, who is bound in the cluster."""
    port = free_port()
    (folder / "sekisho.yaml").write_text(
        f'server: {{listen: "127.0.0.1:{port}"}}\ndata_dir: data\n'
        "log: {access: false}\naudit: {output: none}\ncontrollers: {enabled: false}\n"
    )
    loaded = load_config(str(folder / "sekisho.yaml"), {})
    keyring = open_keyring(loaded.settings)
    async with AsyncExitStack() as stack:
        store = await open_store(
            loaded.settings.store_url, keyring, upgrade=True, addresses=LOOPBACK_ALLOWED
        )
        stack.push_async_callback(store.close)
        dialer = None
        if reach == "agent":
            api_server = urlsplit(kubernetes.servers[0]).port
            assert api_server is not None
            dialer = await stack.enter_async_context(agents(api_server, ways))
        tls = ServerTls(loaded.settings)
        application = await stack.enter_async_context(
            build_application(loaded, store, keyring, tls, log_style="json")
        )
        runner = web.ServerRunner(application.server, shutdown_timeout=1)
        if dialer is not None:
            # Instead of the tunnels that the server accepts itself.
            store.clusters.use_dialers(lambda _, dialer=dialer: dialer)  # type: ignore[misc]
        await _fill(store, kubernetes, user_id, reach)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await listen_for_clients(
            runner,
            application.server,
            loaded.settings.server.listen,
            application.connections,
            tls.context,
            application.refused,
            shared=False,
        )
        url = f"https://127.0.0.1:{port}/k8s/clusters/{CLUSTER}"
        ca, kubeconfig = folder / "data" / "tls" / "ca.crt", folder / "kubeconfig"
        kubeconfig.write_text(KUBECONFIG.format(url=url, ca=ca, token=TOKEN))
        running = Gate(url, ca, kubeconfig, dialer, application.server)
        await eventually(running.knows_the_cluster)
        yield running


async def _fill(store: Store, kubernetes: Kubernetes, user_id: str, reach: Reach) -> None:
    now = datetime.now(UTC)
    principal = Principal(f"local://{user_id}", "local", "alice")
    await store.users.create(User(user_id, "alice", "alice", True, False, now, (principal,)))
    digest = hashlib.sha256(TOKEN.encode()).digest()
    name = TOKEN.partition(":")[0]
    await store.tokens.create(Token(name, "token", digest, user_id, principal.id, "", now, None))
    access = from_kubeconfig(kubernetes.admin_kubeconfig)
    endpoint = replace(access.endpoint, addresses=LOOPBACK_ALLOWED)
    async with ClusterClient(endpoint, access.credential) as client:
        token, _ = await request_token(client, IMPERSONATOR, 3600)
    await store.clusters.create(
        Cluster(
            id=CLUSTER,
            name="gated",
            servers=endpoint.servers if reach == "direct" else ("https://kubernetes.default.svc",),
            ca_pem=kubernetes.ca_pem.decode(),
            tls_server_name=None,
            impersonator_token=token,
            controller_token=None,
            credential_source=CredentialSource.STATIC,
            tokens_expire_at=None,
            created_at=now,
            trusted_addresses=LOOPBACK,
            reach=reach,
        )
    )
    await let_in(store, CLUSTER, user_id, "cluster-owner")
