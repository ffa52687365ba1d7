"""A Kubernetes cluster of etcd, one or more API servers and the controllers that need no nodes.

Everything listens on loopback with certificates of the cluster's own, etcd included: on a machine
with several users, an etcd that asks for no certificate would make each of them an administrator.
"""

import json
import signal
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from proxy.certificates import KeyPair
from proxy.demo import commands
from proxy.demo.assets import Assets, find_assets
from proxy.demo.pki import Pki, create_pki
from proxy.demo.processes import Component

START_SECONDS = 60.0
"""How long a component may take to get ready; an API server takes about 3 on an idle machine."""

STOP_SECONDS = 5.0
"""How long a component that is asked to end may take before it is killed."""


class RequestError(Exception):
    """The API server refused a request; the message is its own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Reserved:
    """A loopback port that nobody else can get, even while no server listens on it.

    The socket is bound and never listens; the server shares the port by ``SO_REUSEPORT``. So a
    server that is stopped leaves a port that refuses connections, and finds it again.
    """

    socket: socket.socket

    @classmethod
    def take(cls) -> Self:
        """Take a free port."""
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        return cls(holder)

    @property
    def port(self) -> int:
        """The port's number."""
        number: int = self.socket.getsockname()[1]
        return number


class Downstream:
    """A cluster that runs inside ``async with``; ``directory`` is its own and should be empty.

    ``masters`` is the number of API servers that share the one etcd. ``controllers=False`` leaves
    the controller-manager out (and with it service accounts in new namespaces, and the contents of
    the roles ``edit`` and ``view``). ``audit=True`` makes each API server write an audit log.

    Use it from one event loop, once; it runs as any user, root included.
    """

    def __init__(
        self,
        directory: Path,
        *,
        masters: int = 1,
        controllers: bool = True,
        audit: bool = False,
        assets: Assets | None = None,
    ) -> None:
        self.directory = directory
        self.version = ""
        """What ``/version`` says: ``v1.36.3``."""
        self._assets = assets or find_assets()
        self._controllers = controllers
        self._audit = audit
        self._logs = directory / "logs"
        self._etcd = Component("etcd", self._logs / "etcd.log")
        self._masters = [
            Component("kube-apiserver", self._logs / f"kube-apiserver-{i}.log")
            for i in range(masters)
        ]
        self._manager = Component("kube-controller-manager", self._logs / "controllers.log")
        self._etcd_port, self._peer_port = Reserved.take(), Reserved.take()
        self._ports = [Reserved.take() for _ in range(masters)]
        # A session refuses to be made outside an event loop; these two are there once it runs.
        self._pki: Pki | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def servers(self) -> list[str]:
        """The URL of each API server, in the order of the methods' ``master`` arguments."""
        return [f"https://127.0.0.1:{reserved.port}" for reserved in self._ports]

    @property
    def pki(self) -> Pki:
        """The cluster's certificates."""
        if self._pki is None:
            raise RuntimeError("the cluster has not been started")
        return self._pki

    @property
    def authority(self) -> KeyPair:
        """Who signs the servers' certificates, and whose client certificates they accept."""
        return self.pki.authority

    @property
    def ca_file(self) -> Path:
        """The authority's certificate, PEM."""
        return self.pki.certificate("ca")

    @property
    def ca_pem(self) -> bytes:
        """The authority's certificate, PEM."""
        return self.authority.certificate_pem

    @property
    def admin_certificate(self) -> Path:
        """The certificate of ``kubernetes-admin`` in ``system:masters``, PEM."""
        return self.pki.certificate("admin")

    @property
    def admin_key(self) -> Path:
        """The administrator's private key, PEM."""
        return self.pki.key("admin")

    @property
    def admin_kubeconfig(self) -> Path:
        """A kubeconfig for the first API server as the administrator, with nothing outside it."""
        return self.directory / "admin.kubeconfig"

    def audit_log(self, master: int = 0) -> Path:
        """Where an API server writes one JSON line per request, before it answers (``audit``)."""
        return self._logs / f"audit-{master}.log"

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()

    async def start_master(self, master: int = 0) -> None:
        """Start an API server, and wait until it says that it is ready."""
        command = commands.kube_apiserver(
            self._assets.path("kube-apiserver"),
            self.pki,
            port=self._ports[master].port,
            etcd_port=self._etcd_port.port,
            service_accounts=self._controllers,
        )
        if self._audit:
            policy = self.directory / "audit-policy.yaml"
            policy.write_text(commands.AUDIT_POLICY)
            command += commands.audit(policy, self.audit_log(master))
        await self._masters[master].start(command)
        await self._answers(self._masters[master], f"{self.servers[master]}/readyz")

    async def stop_master(self, master: int = 0, *, kill: bool = False) -> None:
        """Stop an API server; its port refuses connections then. ``kill`` gives it no time."""
        await self._masters[master].stop(grace=0 if kill else STOP_SECONDS)

    async def restart(self, master: int = 0) -> None:
        """Stop an API server and start it at the same URL."""
        await self.stop_master(master)
        await self.start_master(master)

    def pause(self, master: int = 0) -> None:
        """Freeze an API server: connections are accepted by the kernel, and nobody answers."""
        self._masters[master].signal(signal.SIGSTOP)

    def resume(self, master: int = 0) -> None:
        """Let a paused API server go on."""
        self._masters[master].signal(signal.SIGCONT)

    async def request(
        self, method: str, path: str, body: object = None, *, master: int = 0
    ) -> dict[str, Any]:
        """Ask an API server as the administrator; a ``PATCH`` is a merge patch."""
        if self._session is None:
            raise RuntimeError("the cluster has not been started")
        kind = "merge-patch+json" if method == "PATCH" else "json"
        async with self._session.request(
            method,
            self.servers[master] + path,
            data=None if body is None else json.dumps(body),
            headers={"Content-Type": f"application/{kind}"},
        ) as response:
            answer: dict[str, Any] = await response.json(content_type=None)
            if response.status >= 400:
                raise RequestError(response.status, answer.get("message", ""))
            return answer

    async def _start(self) -> None:
        """Bring the components up, each as soon as what it depends on is ready."""
        needed = ["etcd", "kube-apiserver"]
        if self._controllers:
            needed.append("kube-controller-manager")
        self._assets.require(*needed)
        self._logs.mkdir(parents=True, exist_ok=True)
        self._pki = create_pki(self.directory / "pki", now=datetime.now(UTC))
        self._pki.write_kubeconfig("admin", self.servers[0], self.admin_kubeconfig)
        self._session = self._make_session()
        await self._start_etcd()
        for master in range(len(self._masters)):
            await self.start_master(master)
        self.version = (await self.request("GET", "/version"))["gitVersion"]
        if self._controllers:
            await self._start_controllers()

    async def _stop(self) -> None:
        """Stop everything. It is thrown away, so only etcd, which owns files, is asked nicely."""
        await self._manager.stop(grace=0)
        for component in self._masters:
            await component.stop(grace=0)
        await self._etcd.stop(grace=STOP_SECONDS)
        if self._session is not None:
            await self._session.close()
        for reserved in (self._etcd_port, self._peer_port, *self._ports):
            reserved.socket.close()

    async def _start_etcd(self) -> None:
        """Start etcd, and wait until it has elected itself."""
        command = commands.etcd(
            self._assets.path("etcd"),
            self.pki,
            self.directory / "etcd",
            port=self._etcd_port.port,
            peer_port=self._peer_port.port,
        )
        await self._etcd.start(command)
        await self._answers(self._etcd, f"https://127.0.0.1:{self._etcd_port.port}/health")

    async def _start_controllers(self) -> None:
        """Start the controller-manager, and wait until its first work is done."""
        kubeconfig = self.directory / "controllers.kubeconfig"
        self.pki.write_kubeconfig("controllers", self.servers[0], kubeconfig)
        await self._manager.start(
            commands.kube_controller_manager(
                self._assets.path("kube-controller-manager"), self.pki, kubeconfig=kubeconfig
            )
        )
        await self._manager.wait_until(
            self._populated, what="populated roles", seconds=START_SECONDS
        )

    async def _populated(self) -> bool:
        """Whether the aggregated roles have rules, and a namespace its service account."""
        roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles/"
        try:
            for name in ("admin", "edit", "view"):
                if not (await self.request("GET", roles + name))["rules"]:
                    return False
            await self.request("GET", "/api/v1/namespaces/default/serviceaccounts/default")
            await self.request("GET", "/api/v1/namespaces/default/configmaps/kube-root-ca.crt")
        except (RequestError, aiohttp.ClientError):
            return False
        return True

    async def _answers(self, component: Component, url: str) -> None:
        """Wait until a component's own readiness check says yes."""

        async def ready() -> bool:
            if self._session is None:
                return False
            try:
                async with self._session.get(url) as response:
                    return response.status == 200
            except (aiohttp.ClientError, TimeoutError):
                return False

        await component.wait_until(ready, what=f"a good answer at {url}", seconds=START_SECONDS)

    def _make_session(self) -> aiohttp.ClientSession:
        """Make a client that the API servers and etcd take for their administrator."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        context.load_cert_chain(self.admin_certificate, self.admin_key)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, force_close=True),
            timeout=aiohttp.ClientTimeout(total=10),
        )
