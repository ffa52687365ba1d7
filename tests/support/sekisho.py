"""A Sekisho as operators run it: ``sekisho serve`` in a process, the rest by its command.

``gate`` is one for the whole session, in front of the session's cluster, with people who may enter
it in different ways.
"""

import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from proxy.under_us import under_us
from tests.parts.alone import free_port as free_port  # for those who make a Sekisho
from tests.parts.kubernetes import Kubernetes

START_SECONDS = 60.0
PASSWORD = "correct horse battery staple"


@dataclass
class Answer:
    """An HTTP answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


_KEPT = ("PATH", "HOME", "PYTHONPATH", "PYTHONSAFEPATH")
"""With the last two the compiled one is tried; see the Makefile."""


@dataclass
class Sekisho:
    """A configuration folder, and the server that may be running on it."""

    folder: Path
    port: int
    metrics_port: int
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def config(self) -> Path:
        """Its configuration."""
        return self.folder / "sekisho.yaml"

    @property
    def log(self) -> str:
        """What the server has written to standard error."""
        return (self.folder / "stderr.log").read_text()

    @property
    def output(self) -> str:
        """What the server has written to standard output."""
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
            timeout=60,
            cwd=Path(__file__).parents[2],
            env=self._environment(),
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"sekisho {arguments} failed: {done.stderr or done.stdout}")
        return done

    def start(self) -> None:
        """Start the server and wait until it is ready."""
        with (
            (self.folder / "stdout.log").open("w") as out,
            (self.folder / "stderr.log").open("w") as err,
        ):
            self.process = subprocess.Popen(
                [*under_us(), sys.executable, "-m", "proxy", "serve"],
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
        """Ask the server to end, and return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def ask(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One HTTPS request, verified with Sekisho's own CA."""
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None:
            sent["Content-Type"] = "application/json"
        raw = None if body is None else json.dumps(body).encode()
        return self.send(method, path, raw, sent)

    def send(self, method: str, path: str, raw: bytes | None, headers: Mapping[str, str]) -> Answer:
        """One HTTPS request with a body of any bytes."""
        context = ssl.create_default_context(cafile=str(self.folder / "data" / "tls" / "ca.crt"))
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, context=context, timeout=30
        )
        with closing(connection):
            connection.request(method, path, raw, dict(headers))
            answer = connection.getresponse()
            headers = {name: ", ".join(answer.headers.get_all(name, [])) for name in answer.headers}
            return Answer(answer.status, headers, answer.read())

    def metric(self, line: str) -> float:
        """The value of a metric, by its name and labels as Prometheus reads them; or 0.0."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            found = re.search(rf"^{re.escape(line)} (\S+)$", answer.read().decode(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    def create_user(self, name: str, *options: str) -> str:
        """Make a user; the id."""
        done = self.run(
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
        """A token of a user's."""
        return self.run("token", "create", "--user", user, *options).stdout.strip()

    def kubeconfig(self, user: str, cluster: str = "test", *options: str) -> Path:
        """A kubeconfig file for a user."""
        file = self.folder / f"{user}-{cluster}.kubeconfig"
        file.write_text(self.run("kubeconfig", cluster, "--user", user, *options).stdout)
        return file

    def _ready(self) -> bool:
        try:
            url = f"http://127.0.0.1:{self.metrics_port}/readyz"
            with urllib.request.urlopen(url, timeout=2) as answer:
                # Ports are opened one after the other: the main one last.
                return bool(answer.status == 200) and '"ready"' in self.log
        except OSError:
            return False

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return {**kept, "SEKISHO_CONFIG": str(self.config), **self.environment}


def make_sekisho(folder: Path, ports: tuple[int, int], extra: str = "") -> Sekisho:
    """A configuration in ``folder``, on those ports."""
    while ports[0] == ports[1]:  # Both were free when asked for, one after the other.
        ports = (ports[0], free_port())
    made = Sekisho(folder, *ports)
    made.config.write_text(
        f'server: {{listen: "127.0.0.1:{ports[0]}"}}\n'
        f'metrics: {{listen: "127.0.0.1:{ports[1]}"}}\n'
        f"data_dir: data\nlog: {{format: json}}\n{extra}"
    )
    return made


@dataclass
class Gate(Sekisho):
    """The session's Sekisho. ``users`` are ids by name; ``configs`` kubeconfigs by name."""

    users: dict[str, str] = field(default_factory=dict)
    configs: dict[str, Path] = field(default_factory=dict)


@pytest.fixture(scope="session")
def gate(kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """A running Sekisho with the cluster ``test``.

    alice owns it, bob is a member, carol may only read, dave has no access, root administers.
    """
    folder = tmp_path_factory.mktemp("sekisho")
    made = make_sekisho(folder, (free_port(), free_port()))
    running = Gate(folder, made.port, made.metrics_port)
    running.run("cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig))
    running.start()
    for name in ("alice", "bob", "carol", "dave"):
        running.users[name] = running.create_user(name)
    running.users["root"] = running.create_user("root", "--admin")
    for name, role in (("alice", "owner"), ("bob", "member"), ("carol", "read-only")):
        running.run("cluster", "grant", "test", "--user", name, "--role", role)
    for name in ("alice", "bob", "carol", "root"):
        running.configs[name] = running.kubeconfig(name)
    yield running
    running.stop()
