"""A Kubernetes cluster of etcd, one or more API servers and the controllers that need no nodes.

All programs listen on loopback with certificates of this cluster, also etcd: on a machine with
several users, an etcd without client certificates would make each of them an administrator.

The file is longer than 300 lines because of its properties: it is one class, which starts and stops
programs that depend on each other.
"""

import json
import signal
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from providers.http.response_body import open_session, read_json
from proxy.demo import command_lines
from proxy.demo.binaries import Binaries, find_assets
from proxy.demo.pki import Pki, create_pki
from proxy.demo.processes import Component
from proxy.transport.certificates import KeyPair

START_SECONDS = 300.0
"""How long a component may take to start. An API server needs about 3 s on an idle machine."""

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
"""Limit for one response. Tests have thousands of objects."""

STOP_SECONDS = 5.0
"""How long a component may take to stop before it is killed."""


class RequestError(Exception):
    """The API server rejected a request. The message is the API server's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


async def send_json(
    session: aiohttp.ClientSession, method: str, url: str, body: object = None
) -> dict[str, Any]:
    """Send a request to an API server. A ``PATCH`` is a merge patch. Raises RequestError."""
    kind = "merge-patch+json" if method == "PATCH" else "json"
    async with session.request(
        method,
        url,
        data=None if body is None else json.dumps(body),
        headers={"Content-Type": f"application/{kind}"},
    ) as response:
        content: dict[str, Any] = await read_json(response, MAX_RESPONSE_BYTES)
        if response.status >= 400:
            raise RequestError(response.status, content.get("message", ""))
        return content


@dataclass(frozen=True, slots=True)
class Reserved:
    """A reserved loopback port, which no other program can get while no server listens on it.

    The socket is bound and never listens; the server shares the port with ``SO_REUSEPORT``. While
    the server is stopped, the port refuses connections, and the server can listen on it again.
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


class LocalCluster:
    """A cluster that runs inside ``async with``. ``directory`` should be empty.

    ``api_servers`` is the number of them; they share one etcd. ``controllers=False`` leaves
    the controller-manager out (and with it service accounts in new namespaces, and the contents of
    the roles ``edit`` and ``view``). ``audit=True`` makes each API server write an audit log.
    ``aggregation=True`` lets API services delegate APIs to other servers. ``flags`` are further
    ones of the API servers.

    Use it from one event loop, once; it runs as any user, root included.
    """

    def __init__(
        self,
        directory: Path,
        *,
        api_servers: int = 1,
        controllers: bool = True,
        audit: bool = False,
        aggregation: bool = False,
        flags: Sequence[str] = (),
        assets: Binaries | None = None,
    ) -> None:
        self.directory = directory
        self.version = ""
        """The version of ``/version``: ``v1.36.3``."""
        self._assets = assets or find_assets()
        self._controllers = controllers
        self._audit = audit
        self._aggregation = aggregation
        self._flags = flags
        self._logs = directory / "logs"
        self._etcd = Component("etcd", self._logs / "etcd.log")
        self._api_servers = [
            Component("kube-apiserver", self._logs / f"kube-apiserver-{i}.log")
            for i in range(api_servers)
        ]
        self._manager = Component("kube-controller-manager", self._logs / "controllers.log")
        self._etcd_port, self._peer_port = Reserved.take(), Reserved.take()
        self._ports = [Reserved.take() for _ in range(api_servers)]
        # A session needs a running event loop, so these two are created by the start.
        self._pki: Pki | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def servers(self) -> list[str]:
        """The URL of each API server, in the order of the methods' ``number`` arguments."""
        return [f"https://127.0.0.1:{reserved.port}" for reserved in self._ports]

    @property
    def pki(self) -> Pki:
        """The cluster's certificates."""
        if self._pki is None:
            raise RuntimeError("the cluster has not been started")
        return self._pki

    @property
    def authority(self) -> KeyPair:
        """The CA of the servers' certificates and of the accepted client certificates."""
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
        """A self-contained kubeconfig of the administrator for the first API server."""
        return self.directory / "admin.kubeconfig"

    def audit_log(self, number: int = 0) -> Path:
        """The audit log of an API server: one JSON line per request, before the response."""
        return self._logs / f"audit-{number}.log"

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

    async def start_api_server(self, number: int = 0) -> None:
        """Start an API server, and wait until it is ready."""
        command = command_lines.kube_apiserver(
            self._assets.path("kube-apiserver"),
            self.pki,
            port=self._ports[number].port,
            etcd_port=self._etcd_port.port,
            service_accounts=self._controllers,
        )
        command += self._flags
        if self._aggregation:
            command += command_lines.aggregation(self.pki)
        if self._audit:
            policy = self.directory / "audit-policy.yaml"
            policy.write_text(command_lines.AUDIT_POLICY)
            command += command_lines.audit(policy, self.audit_log(number))
        await self._api_servers[number].start(command)
        await self._wait_until_ready(self._api_servers[number], f"{self.servers[number]}/readyz")

    async def stop_api_server(self, number: int = 0, *, kill: bool = False) -> None:
        """Stop an API server, or ``kill`` it. Its port refuses connections then."""
        await self._api_servers[number].stop(grace=0 if kill else STOP_SECONDS)

    async def restart(self, number: int = 0) -> None:
        """Stop an API server and start it at the same URL."""
        await self.stop_api_server(number)
        await self.start_api_server(number)

    def pause(self, number: int = 0) -> None:
        """Freeze an API server: the kernel accepts connections, but there is no response."""
        self._api_servers[number].signal(signal.SIGSTOP)

    def resume(self, number: int = 0) -> None:
        """Resume a paused API server."""
        self._api_servers[number].signal(signal.SIGCONT)

    async def request(
        self, method: str, path: str, body: object = None, *, number: int = 0
    ) -> dict[str, Any]:
        """Send a request as the administrator. A ``PATCH`` is a merge patch."""
        if self._session is None:
            raise RuntimeError("the cluster has not been started")
        return await send_json(self._session, method, self.servers[number] + path, body)

    async def _start(self) -> None:
        """Start the components, each when those that it depends on are ready."""
        needed = ["etcd", "kube-apiserver"]
        if self._controllers:
            needed.append("kube-controller-manager")
        self._assets.require(*needed)
        self._logs.mkdir(parents=True, exist_ok=True)
        self._pki = create_pki(self.directory / "pki", now=datetime.now(UTC))
        self._pki.write_kubeconfig("admin", self.servers[0], self.admin_kubeconfig)
        self._session = self._make_session()
        await self._start_etcd()
        for number in range(len(self._api_servers)):
            await self.start_api_server(number)
        self.version = (await self.request("GET", "/version"))["gitVersion"]
        if self._controllers:
            await self._start_controllers()

    async def _stop(self) -> None:
        """Stop everything. Only etcd, which writes files, gets time to stop in order."""
        await self._manager.stop(grace=0)
        for component in self._api_servers:
            await component.stop(grace=0)
        await self._etcd.stop(grace=STOP_SECONDS)
        if self._session is not None:
            await self._session.close()
        for reserved in (self._etcd_port, self._peer_port, *self._ports):
            reserved.socket.close()

    async def _start_etcd(self) -> None:
        """Start etcd, and wait until it has a leader."""
        command = command_lines.etcd(
            self._assets.path("etcd"),
            self.pki,
            self.directory / "etcd",
            port=self._etcd_port.port,
            peer_port=self._peer_port.port,
        )
        await self._etcd.start(command)
        await self._wait_until_ready(self._etcd, f"https://127.0.0.1:{self._etcd_port.port}/health")

    async def _start_controllers(self) -> None:
        """Start the controller-manager, and wait until the first objects exist."""
        kubeconfig = self.directory / "controllers.kubeconfig"
        self.pki.write_kubeconfig("controllers", self.servers[0], kubeconfig)
        await self._manager.start(
            command_lines.kube_controller_manager(
                self._assets.path("kube-controller-manager"), self.pki, kubeconfig=kubeconfig
            )
        )
        await self._manager.wait_until(
            self._populated, what="populated roles", seconds=START_SECONDS
        )

    async def _populated(self) -> bool:
        """Return whether the aggregated roles have rules, and a namespace its service account."""
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

    async def _wait_until_ready(self, component: Component, url: str) -> None:
        """Wait until a component's readiness check succeeds."""

        async def ready() -> bool:
            if self._session is None:
                return False
            try:
                async with self._session.get(url) as response:
                    return response.status == 200
            except (aiohttp.ClientError, TimeoutError):
                return False

        await component.wait_until(ready, what=f"response 200 at {url}", seconds=START_SECONDS)

    def _make_session(self) -> aiohttp.ClientSession:
        """Create a client that is an administrator of the API servers and etcd."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        context.load_cert_chain(self.admin_certificate, self.admin_key)
        return open_session(
            connector=aiohttp.TCPConnector(ssl=context, force_close=True),
            timeout=aiohttp.ClientTimeout(total=10),
        )
