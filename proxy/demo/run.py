"""The demo: a cluster, Sekisho in front, somebody who may enter, and a call through the gate."""

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import yaml

from management.clusters import ClusterService
from management.import_kubeconfig import from_kubeconfig
from management.kubeconfig import ClusterEntry, render_kubeconfig
from management.members import MemberService
from management.tokens import TokenService
from management.users import new_user, one_time_password
from providers.local import hash_password
from proxy.data_dir import open_keyring
from proxy.demo.assets import find_assets
from proxy.demo.downstream import Downstream
from proxy.demo.standin import StandIn
from proxy.lifetimes import lifetimes
from proxy.private_files import write_private
from proxy.server_tls import ServerTls
from proxy.serving import serve
from proxy.startup_settings import Everything, load_everything
from store.database import open_store
from store.interfaces import Cluster, User

KUBECONFIG = "demo.kubeconfig"
CLUSTER, USER = "demo", "alice"

Say = Callable[[str], None]


async def show(say: Say) -> None:
    """Run the demo until SIGINT or SIGTERM; ``say`` prints a line of progress. Leaves nothing."""
    kubeconfig = Path.cwd() / KUBECONFIG
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sekisho-demo-")))
        cluster = await stack.enter_async_context(_cluster(folder, say))
        everything = _configuration(folder)
        settings = everything.settings
        say(f"importing the cluster as “{CLUSTER}”: two service accounts, least privilege")
        imported, user, password, token = await _furnish(everything, cluster.admin_kubeconfig)
        say(f"made the user {USER} ({user.id}), owner of “{CLUSTER}”")
        write_private(
            kubeconfig,
            render_kubeconfig(
                external_url=settings.external_url,
                clusters=[ClusterEntry(imported.id, imported.name)],
                user=USER,
                token=token,
                ca_pem=ServerTls(settings).ca_pem,
            ).encode(),
        )
        stack.callback(kubeconfig.unlink, missing_ok=True)
        say(f"wrote {KUBECONFIG}")
        await _serve(everything, folder, imported, token, password, say)
    say("stopped; everything the demo made is gone")


async def _serve(
    everything: Everything, folder: Path, cluster: Cluster, token: str, password: str, say: Say
) -> None:
    """Serve until a signal; once ready, make the call and say what to try."""
    settings = everything.settings
    ready = asyncio.Event()
    server = asyncio.create_task(serve(everything, started=ready.set))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({server, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not ready.is_set():
        waiting.cancel()
        await server
        return
    say(f"Sekisho serves at {settings.external_url} (sign in as {USER}, password {password})")
    try:
        url = f"{settings.external_url}/k8s/clusters/{cluster.id}"
        say(await _whoami(url, token, folder / "data" / "tls" / "ca.crt"))
        _suggest(say)
    except (aiohttp.ClientError, OSError, ValueError) as exc:
        server.cancel()
        await asyncio.gather(server, return_exceptions=True)
        raise RuntimeError(f"the call through the gate failed: {exc}") from exc
    await server


@asynccontextmanager
async def _cluster(folder: Path, say: Say) -> AsyncIterator[Downstream | StandIn]:
    """A real cluster where the programs for one are at hand, else the stand-in."""
    assets = find_assets()
    place = folder / "cluster"
    place.mkdir()
    if assets.missing("etcd", "kube-apiserver"):
        say("no kube-apiserver at hand: starting a small STAND-IN for a cluster, in memory,")
        say("  with no RBAC of its own. `make kubernetes` builds the real one (minutes; needs Go)")
        async with StandIn(place) as standin:
            yield standin
        return
    controllers = not assets.missing("kube-controller-manager")
    say("starting a real kube-apiserver with etcd")
    async with Downstream(place, controllers=controllers, assets=assets) as cluster:
        say(f"the cluster is ready: Kubernetes {cluster.version}")
        yield cluster


def _configuration(folder: Path) -> Everything:
    """A configuration of the demo's own: nothing of the user's is read or changed."""
    config = {
        "server": {"listen": f"127.0.0.1:{_port(8443)}", "shutdown_grace_seconds": 2},
        "metrics": {"listen": f"127.0.0.1:{_port(9443)}"},
        "data_dir": str(folder / "data"),
        "log": {"level": "warning", "access": False},
    }
    file = folder / "sekisho.yaml"
    file.write_text(yaml.safe_dump(config))
    unset = {name: value for name, value in os.environ.items() if not name.startswith("SEKISHO_")}
    return load_everything(str(file), unset)


async def _furnish(
    everything: Everything, admin_kubeconfig: Path
) -> tuple[Cluster, User, str, str]:
    """Import the cluster and let somebody in: the cluster, the user, password and token."""
    settings = everything.settings
    store = await open_store(settings.store_url, open_keyring(settings))
    try:
        access = from_kubeconfig(admin_kubeconfig)
        service = ClusterService(store)
        imported = await service.import_cluster(CLUSTER, access.endpoint, access.credential)
        assert imported.cluster is not None
        user, password = new_user(USER, display_name="Alice"), one_time_password()
        password_hash = await asyncio.to_thread(hash_password, password)
        await store.users.create(user, password_hash=password_hash)
        await MemberService(store).grant(CLUSTER, user.id, "owner")
        tokens = TokenService(store.tokens, lifetimes(settings))
        issued = await tokens.issue(user, kind="kubeconfig", description="the demo's")
    finally:
        await store.close()
    return imported.cluster, user, password, issued.bearer


async def _whoami(url: str, token: str, ca_file: Path) -> str:
    """What ``kubectl auth whoami`` asks, through the gate; the answer as a line."""
    import ssl

    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    context = ssl.create_default_context(cafile=str(ca_file))
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
        session.post(
            f"{url}/apis/authentication.k8s.io/v1/selfsubjectreviews",
            json=review,
            ssl=context,
            headers={"Authorization": f"Bearer {token}"},
        ) as answer,
    ):
        if answer.status != 201:
            raise ValueError(f"status {answer.status}")
        info = (await answer.json())["status"]["userInfo"]
    groups = ", ".join(info["groups"])
    return f"asked the cluster, through the gate, who we are: {info['username']} in {groups}"


def _suggest(say: Say) -> None:
    program = "kubectl" if shutil.which("kubectl") else str(find_assets().kubectl or "kubectl")
    say("try next, in another terminal, in this folder (Ctrl-C here ends and removes everything):")
    for command in ("get namespaces", "auth whoami", "api-resources"):
        say(f"  {program} --kubeconfig {KUBECONFIG} {command}")


def _port(wanted: int) -> int:
    """That port if it is free, else another one."""
    for port in (wanted, 0):
        with socket.socket() as holder:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                holder.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = holder.getsockname()[1]
            return found
    raise OSError("no free port on 127.0.0.1")
