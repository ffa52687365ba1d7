"""Run Sekisho as operators do: ``sekisho serve`` as a process, and its commands.

The fixture ``proxy`` is a server of its own for each module of tests, in front of the session's
cluster, and has users with different roles.
"""

import http.client
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import pytest

from proxy.workers.child_process import die_with_parent
from tests.support.addresses import LOOPBACK_SETTING
from tests.support.isolation import free_port as free_port  # re-exported for tests that run Sekisho
from tests.support.kubernetes import Kubernetes
from tests.support.waiting import wait_until

START_SECONDS = 300.0
"""Seconds to wait for a server. A limit for hanging servers, not a measurement."""

PASSWORD = "correct horse battery staple"


@dataclass
class HttpResponse:
    """An HTTP response with any status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


_KEPT = ("PATH", "HOME", "PYTHONPATH", "PYTHONSAFEPATH")
"""The last two select the compiled request path; see the Makefile."""


@dataclass
class Sekisho:
    """A configuration folder and its server, which may be running."""

    folder: Path
    port: int
    metrics_port: int
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None
    prefix: tuple[str, ...] = ()
    """A command that runs the server, for example to trace or limit it."""

    @property
    def url(self) -> str:
        """Return the HTTPS URL for clients."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def config(self) -> Path:
        """Return the path of the configuration file."""
        return self.folder / "sekisho.yaml"

    @property
    def log(self) -> str:
        """Return the server's standard error."""
        return (self.folder / "stderr.log").read_text()

    @property
    def output(self) -> str:
        """Return the server's standard output."""
        return (self.folder / "stdout.log").read_text()

    def run(
        self, *arguments: str, stdin: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a ``sekisho`` command with this configuration."""
        done = subprocess.run(
            [sys.executable, "-m", "proxy", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
            cwd=Path(__file__).parents[2],
            env=self._environment(),
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"sekisho {arguments} failed: {done.stderr or done.stdout}")
        return done

    def copied_to(self, folder: Path) -> Self:
        """Return a stopped server with a copy of this one's folder, which is stopped too."""
        shutil.copytree(self.folder, folder)
        return replace(self, folder=folder, process=None)

    def start(self) -> None:
        """Start the server and wait until it is ready."""
        with (
            (self.folder / "stdout.log").open("w") as out,
            (self.folder / "stderr.log").open("w") as err,
        ):
            self.process = subprocess.Popen(
                [*die_with_parent(), *self.prefix, sys.executable, "-m", "proxy", "serve"],
                stdout=out,
                stderr=err,
                text=True,
                cwd=Path(__file__).parents[2],
                env=self._environment(),
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"sekisho did not start:\n{self.output}{self.log}")
            time.sleep(0.02)

    def stop(self) -> int:
        """Stop the server with SIGTERM and return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)

    def request(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """Send one HTTPS request with a JSON body, verified with Sekisho's CA."""
        all_headers = dict(headers or {})
        if token is not None:
            all_headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            all_headers["Content-Type"] = "application/json"
        raw = None if body is None else json.dumps(body).encode()
        return self.request_raw(method, path, raw, all_headers)

    def request_raw(
        self, method: str, path: str, raw: bytes | None, headers: Mapping[str, str]
    ) -> HttpResponse:
        """Send one HTTPS request with any bytes as body."""
        context = ssl.create_default_context(cafile=str(self.folder / "data" / "tls" / "ca.crt"))
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, context=context, timeout=120
        )
        with closing(connection):
            connection.request(method, path, raw, dict(headers))
            response = connection.getresponse()
            headers = {
                name: ", ".join(response.headers.get_all(name, [])) for name in response.headers
            }
            return HttpResponse(response.status, headers, response.read())

    def metric(self, line: str) -> float:
        """Return the value of a metric by name and labels in Prometheus' format, or 0.0."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=60) as response:
            found = re.search(rf"^{re.escape(line)} (\S+)$", response.read().decode(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    def get_monitoring(self, path: str) -> str:
        """Return the response body of the metrics listener."""
        url = f"http://127.0.0.1:{self.metrics_port}{path}"
        with urllib.request.urlopen(url, timeout=60) as response:
            return str(response.read().decode())

    def create_user(self, name: str, *options: str) -> str:
        """Create a user and return the id."""
        done = self.run(
            "admin",
            "user",
            "create",
            name,
            *options,
            "--password-stdin",
            "-o",
            "json",
            stdin=PASSWORD + "\n",
        )
        return str(json.loads(done.stdout)["id"])

    def token(self, user: str, *options: str) -> str:
        """Create and return a token of a user."""
        return self.run("admin", "token", "create", "--user", user, *options).stdout.strip()

    def kubeconfig(self, user: str, cluster: str = "test", *options: str) -> Path:
        """Write a kubeconfig file for a user and return its path."""
        file = self.folder / f"{user}-{cluster}.kubeconfig"
        file.write_text(self.run("admin", "kubeconfig", cluster, "--user", user, *options).stdout)
        return file

    def _ready(self) -> bool:
        try:
            url = f"http://127.0.0.1:{self.metrics_port}/readyz"
            with urllib.request.urlopen(url, timeout=20) as response:
                # Ports are opened in sequence, the main port last.
                return bool(response.status == 200) and '"ready"' in self.log
        except OSError:
            return False

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return {**kept, "SEKISHO_CONFIG": str(self.config), **self.environment}


def make_sekisho(folder: Path, ports: tuple[int, int], extra: str = "") -> Sekisho:
    """Write a configuration with these ports into ``folder``."""
    while ports[0] == ports[1]:  # The same free port may be found twice.
        ports = (ports[0], free_port())
    configured = Sekisho(folder, *ports)
    configured.config.write_text(
        f'server: {{listen: "127.0.0.1:{ports[0]}"}}\n'
        f'metrics: {{listen: "127.0.0.1:{ports[1]}"}}\n'
        f"data_dir: data\nlog: {{format: json}}\n{extra}"
        f"{'' if 'clusters:' in extra else LOOPBACK_SETTING}"
    )
    return configured


@dataclass
class SekishoWithUsers(Sekisho):
    """A Sekisho with users. ``users`` are ids by name, ``configs`` kubeconfigs by name.

    ``first_password`` is the one-time password of admin, which its first start printed.
    """

    users: dict[str, str] = field(default_factory=dict)
    configs: dict[str, Path] = field(default_factory=dict)
    first_password: str = ""


@pytest.fixture(scope="module")
def proxy(
    prepared_proxy: SekishoWithUsers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SekishoWithUsers]:
    """Run a Sekisho with the cluster ``test``.

    alice is its owner, bob a member, carol has read-only access, dave has none, and root is an
    administrator. Each module has its own server, so that nothing depends on modules before it.
    """
    folder = tmp_path_factory.mktemp("proxy") / "sekisho"
    started = prepared_proxy.copied_to(folder)
    started.configs = {name: folder / file.name for name, file in prepared_proxy.configs.items()}
    started.start()
    await_bindings(started)
    yield started
    started.stop()


@pytest.fixture(scope="session")
def prepared_proxy(
    kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory
) -> SekishoWithUsers:
    """Return a stopped server of which ``proxy`` runs copies."""
    folder = tmp_path_factory.mktemp("sekisho")
    configured = make_sekisho(folder, (free_port(), free_port()))
    made = SekishoWithUsers(folder, configured.port, configured.metrics_port)
    made.run("admin", "cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig))
    made.start()  # makes the certificate, which kubeconfigs contain
    made.first_password = made.output.partition("one-time password: ")[2].split()[0]
    for name in ("alice", "bob", "carol", "dave"):
        made.users[name] = made.create_user(name)
    made.users["root"] = made.create_user("root", "--admin")
    for name, role in (("alice", "owner"), ("bob", "member"), ("carol", "read-only")):
        made.run("admin", "cluster", "grant", "test", "--user", name, "--role", role)
    for name in ("alice", "bob", "carol", "root"):
        made.configs[name] = made.kubeconfig(name)
    made.stop()
    return made


def await_bindings(server: Sekisho) -> None:
    """Wait until the server has written all RBAC objects into the cluster."""
    line = 'sekisho_controller_synced{cluster="test"}'
    wait_until(lambda: server.metric(line) == 1, START_SECONDS, "the RBAC objects of the cluster")
