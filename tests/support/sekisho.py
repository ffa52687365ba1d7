"""Run Sekisho as operators do: ``sekisho serve`` as a process, and its commands.

Tests start a server by ``with running(server)``, which ends its process whatever happens.
"""

import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Self

from click.testing import CliRunner

from proxy.cli import main as cli
from proxy.workers.child_process import die_with_parent
from tests.support.addresses import LOOPBACK_SETTING
from tests.support.http_response import HttpResponse as HttpResponse
from tests.support.isolation import free_port as free_port  # re-exported for tests that run Sekisho
from tests.support.metrics_text import metric_of
from tests.support.running import note_started
from tests.support.running import running as running  # re-exported, too
from tests.support.waiting import wait_until

START_SECONDS = 300.0
"""Seconds to wait for a server. A limit for hanging servers, not a measurement."""

STOP_SECONDS = 120.0
"""Seconds to wait for a server that stops."""

IMAGES_SETTING = "images: {registry: registry.example}\n"
"""For manifests of agents, which are refused if the server does not know its image."""

PASSWORD = "correct horse battery staple"
_COMMANDS = ThreadPoolExecutor(1)  # One by one: each takes the standard streams of the process.

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
    def log_tail(self) -> str:
        """Return the last forty lines of the log, for the message of a failure."""
        return "\n".join(self.log.splitlines()[-40:])

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

    def prepare(self, *arguments: str, stdin: str | None = None) -> str:
        """Run a command in this process, without imports; return its output."""
        if "PYTHONPATH" in self.environment:  # It may name plug-ins, which this process lacks.
            return self.run(*arguments, stdin=stdin).stdout.strip()
        command = ["-c", str(self.config), *arguments]
        invoke = partial(CliRunner().invoke, env=self.environment)
        done = _COMMANDS.submit(invoke, cli.main, command, stdin).result()
        if done.exit_code:
            raise AssertionError(f"sekisho {arguments} failed: {done.output}") from done.exception
        return done.stdout.strip()

    def change(self, *arguments: str, stdin: str | None = None) -> None:
        """Change the store by a command; wait until server and synchronized cluster have it."""
        self.prepare(*arguments, stdin=stdin)
        if self.is_running:
            checks = partial(self.metric, "sekisho_change_feed_checks_total")
            enough = checks() + 2  # The first check may have begun before the change.
            wait_until(lambda: checks() >= enough)
            label = f'{{cluster="{arguments[3]}"}}' if len(arguments) > 3 else ""
            if self.metric(f"sekisho_controller_synced{label}") == 1:
                wait_until(lambda: self.metric(f"sekisho_controller_queue_age_seconds{label}") == 0)

    @property
    def is_running(self) -> bool:
        """Return whether the server was started and has not ended."""
        return self.process is not None and self.process.poll() is None

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
        note_started(self)
        try:
            self._await_ready(self.process)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> int:
        """Stop the server with SIGTERM and return its exit code. Kill it if that takes too long."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill the server's process, if it still runs."""
        if self.process is not None and self.is_running:
            self.process.kill()
            self.process.wait()

    def end(self) -> None:
        """End the server if it runs. Open streams get five seconds, not the grace period."""
        if self.process is not None and self.is_running:
            self.process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
            self.kill()

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
        return metric_of(self.get_monitoring("/metrics"), line)

    def get_monitoring(self, path: str) -> str:
        """Return the response body of the metrics listener."""
        url = f"http://127.0.0.1:{self.metrics_port}{path}"
        with urllib.request.urlopen(url, timeout=60) as response:
            return str(response.read().decode())

    def create_user(self, name: str, *options: str) -> str:
        """Create a user and return the id."""
        options = (*options, "--password-stdin", "-o", "json")
        done = self.prepare("admin", "user", "create", name, *options, stdin=PASSWORD + "\n")
        return str(json.loads(done)["id"])

    def token(self, user: str, *options: str) -> str:
        """Create and return a token of a user."""
        return self.prepare("admin", "token", "create", "--user", user, *options)

    def kubeconfig(self, user: str, cluster: str = "test", *options: str) -> Path:
        """Write a kubeconfig file for a user and return its path."""
        file = self.folder / f"{user}-{cluster}.kubeconfig"
        file.write_text(self.prepare("admin", "kubeconfig", cluster, "--user", user, *options))
        return file

    def _await_ready(self, process: subprocess.Popen[str]) -> None:
        def shown() -> str:
            return f"the start of sekisho:\n{self.output}{self.log_tail}"

        wait_until(lambda: process.poll() is not None or self._ready(), START_SECONDS, shown)
        if process.poll() is not None:
            raise AssertionError(f"sekisho did not start:\n{self.output}{self.log_tail}")

    def _ready(self) -> bool:
        try:
            self.get_monitoring("/readyz")  # Raises HTTPError, an OSError, for 503.
            # Ports are opened in sequence, the main port last.
            return '"ready"' in self.log
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
        f"{'' if 'images:' in extra else IMAGES_SETTING}"
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


def await_bindings(server: Sekisho) -> None:
    """Wait until the server has written all RBAC objects into the cluster."""
    line = 'sekisho_controller_synced{cluster="test"}'

    def missing() -> str:
        found = server.run("admin", "doctor", check=False)
        return f"the RBAC objects of the cluster\n{found.stdout}{found.stderr}\n{server.log_tail}"

    wait_until(lambda: server.metric(line) == 1, START_SECONDS, missing)
