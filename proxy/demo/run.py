"""The demo: a cluster, Sekisho in front of it, a user, and a request through the proxy."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import yaml

from management.clusters.address_consent import with_consent
from management.clusters.kubeconfig import ClusterEntry, render_kubeconfig
from management.clusters.kubeconfig_import import from_kubeconfig
from management.clusters.members import MemberService
from management.clusters.service import ClusterService
from management.identity.tokens import TokenIssuer, TokenSpec, token_lifetimes
from management.identity.users import new_user, one_time_password
from providers.http.response_body import open_session, read_json
from providers.local import hash_password
from proxy.demo.agent import running_agent, store_behind_agent
from proxy.demo.binaries import find_assets
from proxy.demo.fake_apiserver import FakeAPIServer
from proxy.demo.local_cluster import LocalCluster
from proxy.demo.ports import free_port
from proxy.demo.processes import ComponentError
from proxy.files.data_dir import open_keyring, open_store_with_key
from proxy.files.private_files import write_private
from proxy.server.serve import serve
from proxy.startup.configuration import LoadedConfig, load_config
from proxy.transport.server_tls import ServerTls
from store.records import Cluster, NewPassword, User

KUBECONFIG = "demo.kubeconfig"
CLUSTER, USER = "demo", "alice"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Furnished:
    """What the demo's store has: the cluster, and its owner with a password and a token.

    ``api_server`` is the URL at which the cluster was imported.
    """

    cluster: Cluster
    api_server: str
    user: User
    password: str = field(repr=False)
    token: str = field(repr=False)


async def run_demo(say: Say, *, agent: bool = False) -> None:
    """Run the demo until SIGINT or SIGTERM, then remove all of it. ``say`` prints progress.

    ``agent``: the cluster is reached through the tunnels of an agent.
    """
    kubeconfig = Path.cwd() / KUBECONFIG
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sekisho-demo-")))
        cluster = await stack.enter_async_context(_cluster(folder, say))
        everything = _configuration(folder)
        settings = everything.settings
        say(f"importing the cluster as “{CLUSTER}”: two service accounts, least privilege")
        made = await _furnish(everything, cluster.admin_kubeconfig, folder if agent else None)
        say(f"created the user {USER} ({made.user.id}), owner of “{CLUSTER}”")
        write_private(
            kubeconfig,
            render_kubeconfig(
                external_url=settings.external_url,
                clusters=[ClusterEntry(made.cluster.id, made.cluster.name)],
                user=USER,
                token=made.token,
                ca_pem=ServerTls(settings).ca_pem,
            ).encode(),
        )
        stack.callback(kubeconfig.unlink, missing_ok=True)
        say(f"wrote {KUBECONFIG}")
        await _serve(everything, folder, made, say)
    say("stopped; everything that the demo created is removed")


async def _serve(everything: LoadedConfig, folder: Path, made: Furnished, say: Say) -> None:
    """Serve until a signal. When ready, send a request and suggest commands."""
    settings = everything.settings
    ready = asyncio.Event()
    server = asyncio.create_task(serve(everything, started=ready.set))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({server, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not ready.is_set():
        waiting.cancel()
        await server
        return
    say(f"Sekisho serves at {settings.external_url} (sign in as {USER}, password {made.password})")
    ca_file = folder / "data" / "tls" / "ca.crt"
    async with AsyncExitStack() as stack:
        try:
            if made.cluster.reach == "agent":
                agent = running_agent(folder, settings.external_url, ca_file, made.api_server)
                await stack.enter_async_context(agent)
                say("an agent connects the cluster: requests go through its tunnels")
            url = f"{settings.external_url}/k8s/clusters/{made.cluster.id}"
            say(await _whoami(url, made.token, ca_file))
            _suggest(say)
        except (aiohttp.ClientError, OSError, ValueError, ComponentError) as exc:
            server.cancel()
            await asyncio.gather(server, return_exceptions=True)
            raise ComponentError(f"the request through the proxy failed: {exc}") from exc
        await server


@asynccontextmanager
async def _cluster(folder: Path, say: Say) -> AsyncIterator[LocalCluster | FakeAPIServer]:
    """Start a real cluster if its programs are installed, else a fake API server."""
    assets = find_assets()
    place = folder / "cluster"
    place.mkdir()
    if assets.missing("etcd", "kube-apiserver"):
        say("no kube-apiserver found: starting a FAKE API server, in memory,")
        say("  without RBAC. `make kubernetes` builds the real one (minutes; needs Go)")
        async with FakeAPIServer(place) as standin:
            yield standin
        return
    controllers = not assets.missing("kube-controller-manager")
    say("starting a real kube-apiserver with etcd")
    async with LocalCluster(place, controllers=controllers, assets=assets) as cluster:
        say(f"the cluster is ready: Kubernetes {cluster.version}")
        yield cluster


def _configuration(folder: Path) -> LoadedConfig:
    """Return the demo's configuration. The user's configuration is not read or changed."""
    config = {
        "server": {"listen": f"127.0.0.1:{free_port(8443)}", "shutdown_grace_seconds": 2},
        "metrics": {"listen": f"127.0.0.1:{free_port(9443)}"},
        "data_dir": str(folder / "data"),
        "log": {"level": "warning", "access": False},
    }
    file = folder / "sekisho.yaml"
    file.write_text(yaml.safe_dump(config))
    unset = {name: value for name, value in os.environ.items() if not name.startswith("SEKISHO_")}
    return load_config(str(file), unset)


async def _furnish(
    everything: LoadedConfig, admin_kubeconfig: Path, agent_folder: Path | None
) -> Furnished:
    """Import the cluster and create a user. ``agent_folder``: write an agent's token there."""
    settings = everything.settings
    store = await open_store_with_key(settings, open_keyring(settings))
    try:
        access = from_kubeconfig(admin_kubeconfig)
        service = ClusterService(store)
        endpoint, _ = await with_consent(access.endpoint, settings.cluster_addresses)
        imported = await service.import_cluster(CLUSTER, endpoint, access.credential)
        assert imported.cluster is not None
        cluster = imported.cluster
        user, password = new_user(USER, display_name="Alice"), one_time_password()
        password_hash = await asyncio.to_thread(hash_password, password)
        await store.users.create(user, password=NewPassword(USER, password_hash))
        await MemberService(store).grant(CLUSTER, user.id, "owner")
        if agent_folder is not None:
            cluster = await store_behind_agent(store, cluster, agent_folder)
        tokens = TokenIssuer(store.tokens, token_lifetimes(settings))
        issued = await tokens.issue(user, TokenSpec(kind="kubeconfig", description="the demo's"))
    finally:
        await store.close()
    return Furnished(cluster, endpoint.servers[0], user, password, issued.bearer)


async def _whoami(url: str, token: str, ca_file: Path) -> str:
    """Send the request of ``kubectl auth whoami`` through the proxy. Return a line to print."""
    import ssl

    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    context = ssl.create_default_context(cafile=str(ca_file))
    async with (
        open_session(timeout=aiohttp.ClientTimeout(total=30)) as session,
        session.post(
            f"{url}/apis/authentication.k8s.io/v1/selfsubjectreviews",
            json=review,
            ssl=context,
            headers={"Authorization": f"Bearer {token}"},
        ) as answer,
    ):
        if answer.status != 201:
            raise ValueError(f"status {answer.status}")
        info = (await read_json(answer, 1024 * 1024))["status"]["userInfo"]
    groups = ", ".join(info["groups"])
    return f"the cluster knows this user, through the proxy, as {info['username']} in {groups}"


def _suggest(say: Say) -> None:
    program = "kubectl" if shutil.which("kubectl") else str(find_assets().kubectl or "kubectl")
    say("try next, in another terminal, in this folder (Ctrl-C here stops and removes everything):")
    for command in ("get namespaces", "auth whoami", "api-resources"):
        say(f"  {program} --kubeconfig {KUBECONFIG} {command}")
