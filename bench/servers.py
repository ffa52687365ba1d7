"""The measured servers: certificates and programs in a folder, an upstream, and the proxy."""

import asyncio
import compileall
import os
import resource
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from ctypes.util import find_library
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from bench import compiled
from bench.cgroups import account, tidy
from bench.seed import seed
from proxy.transport.certificates import create_authority, issue_server
from proxy.workers.child_process import die_with_parent

ROOT = Path(__file__).parents[1]
PREFIX = "/k8s/clusters/bench"
USER, PASSWORD = "root", "a long password"
START_SECONDS = 120.0
STOP_SECONDS = 10.0
_SOURCES = ("agent", "config", "impersonation", "management", "providers", "proxy", "store")


@dataclass(frozen=True, slots=True)
class Server:
    """A server at ``url``; ``pid`` is None for the upstream, which has no cost."""

    name: str
    url: str
    ca: Path
    token: str
    pid: int | None
    seconds_to_ready: float = 0.0


class Startable(Protocol):
    """A source of a :class:`Server`, which can be started many times, one at a time."""

    @property
    def name(self) -> str:
        """The name in the report."""

    def start(self) -> Server:
        """Start it, and wait until it responds."""


@dataclass
class Workshop:
    """A folder with certificates and programs, and the processes started from it."""

    folder: Path
    upstream_url: str = ""
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def ca(self) -> Path:
        """The CA of all servers but the proxy."""
        return self.folder / "ca.crt"

    def prepare(self) -> None:
        """Create certificates, build the Go programs, and compile as an installation does."""
        for source in (*_SOURCES, compiled.FOLDER):
            compileall.compile_dir(ROOT / source, quiet=2)
        now = datetime.now(UTC)
        authority = create_authority("bench", lifetime=timedelta(days=1), now=now)
        server = issue_server(
            authority,
            common_name="bench",
            names=["127.0.0.1", "localhost"],
            lifetime=timedelta(days=1),
            now=now,
        )
        self.ca.write_bytes(authority.certificate_pem)
        (self.folder / "tls.crt").write_bytes(server.certificate_pem)
        (self.folder / "tls.key").write_bytes(server.key_pem)
        (self.folder / "both.pem").write_bytes(server.certificate_pem + server.key_pem)
        subprocess.run(
            ["go", "build", "-o", f"{self.folder}/", "./..."],
            cwd=ROOT / "bench" / "go",
            env={**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"},
            check=True,
        )

    def start(
        self,
        *command: str | Path,
        port: int,
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> int:
        """Start a program that listens on ``port``; return its pid once it does.

        Its output goes to ``log``, or to the workshop's log. Raises RuntimeError if it ends.
        """
        log = log or self.folder / "log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*die_with_parent(), *map(str, command)],
                stdout=output,
                stderr=output,
                cwd=ROOT,
                env=users_environment() | dict(environment or {}),
            )
        account(process.pid)
        self.running.append(process)
        deadline = time.monotonic() + START_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace")[-1000:]
                raise RuntimeError(f"{command[0]} did not start:\n{said}")
            time.sleep(0.005)
        return process.pid

    def end(self, pid: int) -> None:
        """Stop a process, and wait for its end."""
        process = next(one for one in self.running if one.pid == pid)
        self.running.remove(process)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        process.kill()
        process.wait()
        tidy()

    def stop(self) -> None:
        """Stop all processes."""
        for process in self.running:
            process.terminate()
        for process in [*self.running]:
            self.end(process.pid)

    def upstream(self) -> Server:
        """Start the substitute of an API server."""
        port = free_port()
        self.start(
            self.folder / "upstream",
            *("-listen", f"127.0.0.1:{port}"),
            *("-cert", self.folder / "tls.crt", "-key", self.folder / "tls.key"),
            port=port,
        )
        self.upstream_url = f"https://127.0.0.1:{port}"
        return Server("direct", self.upstream_url, self.ca, "", None)


@dataclass
class Gate:
    """The measured Sekisho, configured as users run it; ``extra`` is added to its configuration.

    ``server`` is added to the section of that name, in YAML's flow style: ``workers: 2``. The
    request path is compiled, as in the container image, unless ``interpreted``.
    """

    shop: Workshop
    name: str = "sekisho"
    extra: str = ""
    users: int = 0
    clusters: int = 0
    store_url: str = ""
    server: str = ""
    interpreted: bool = False
    port: int = 0
    metrics_port: int = 0
    token: str = ""
    seconds_to_ready: float = 0.0

    @property
    def folder(self) -> Path:
        """The folder of its configuration and data."""
        return self.shop.folder / self.name.replace(" ", "-")

    def prepare(self) -> None:
        """Write the configuration and fill the store. Raises where Sekisho rejects it."""
        self.folder.mkdir()
        self.port, self.metrics_port = free_port(), free_port()
        store = f"store: {{url: '{self.store_url}'}}\n" if self.store_url else ""
        more = f", {self.server}" if self.server else ""
        (self.folder / "sekisho.yaml").write_text(
            f'server: {{listen: "127.0.0.1:{self.port}"{more}}}\n'
            f'metrics: {{listen: "127.0.0.1:{self.metrics_port}"}}\n'
            "data_dir: data\n"
            # All features are on, but not the limits per token and address, and the overload
            # protection: a load by one token from one address would only measure those.
            "limits: {token: {in_flight: 0, watches: 0, upgrades: 0}, "
            "user: {in_flight: 0, watches: 0, upgrades: 0}, "
            "connections: {per_network: 0, per_known_network: 0}, "
            "overload: {lag_threshold: 60s, critical_lag: 60s}}\n"
            f"upstream: {{max_connections_per_cluster: 100000}}\n{store}{self.extra}"
        )
        config = str(self.folder / "sekisho.yaml")
        upstream, ca = self.shop.upstream_url, str(self.shop.ca)
        asyncio.run(seed(config, upstream, ca, users=self.users, clusters=self.clusters))
        create = ("-m", "proxy", "admin", "user", "create", USER, "--admin", "--password-stdin")
        self._run(*create, stdin=f"{PASSWORD}\n")
        self.token = self._run("-m", "proxy", "admin", "token", "create", "--user", USER).strip()

    def start(self) -> Server:
        """Start it, and wait until it is ready."""
        began = time.monotonic()
        pid = self.shop.start(
            *(sys.executable, "-m", "proxy", "serve"),
            port=self.port,
            environment={
                "SEKISHO_CONFIG": str(self.folder / "sekisho.yaml"),
                **image_environment(interpreted=self.interpreted),
            },
            log=self.folder / "log",  # Standard error contains the access log.
        )
        while not self._ready():
            if time.monotonic() > began + START_SECONDS:
                raise RuntimeError(f"{self.name} isn't ready; see {self.folder / 'log'}")
            time.sleep(0.005)
        self.seconds_to_ready = time.monotonic() - began
        ca = self.folder / "data" / "tls" / "ca.crt"
        url = f"https://127.0.0.1:{self.port}{PREFIX}"
        return Server(self.name, url, ca, self.token, pid, self.seconds_to_ready)

    def _ready(self) -> bool:
        with suppress(OSError):
            url = f"http://127.0.0.1:{self.metrics_port}/readyz"
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status == 200)
        return False

    def _run(self, *arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=users_environment() | {"SEKISHO_CONFIG": str(self.folder / "sekisho.yaml")},
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)}: {done.stderr}")
        return done.stdout


@contextmanager
def workshop(folder: Path) -> Iterator[Workshop]:
    """Yield a workshop in ``folder``; stop its processes at the end."""
    tidy()
    shop = Workshop(folder)
    try:
        shop.prepare()
        yield shop
    finally:
        shop.stop()


def image_environment(*, interpreted: bool = False) -> dict[str, str]:
    """Return the environment of a process of the image: compiled modules, and its allocator."""
    return {**({} if interpreted else compiled.environment(ROOT)), **_allocator()}


def _allocator() -> dict[str, str]:
    """Return the environment that loads jemalloc, as in the image, if it is installed."""
    found = find_library("jemalloc")
    if not found:
        return {}
    return {"LD_PRELOAD": found, "MALLOC_CONF": "background_thread:true,dirty_decay_ms:1000"}


def users_environment() -> dict[str, str]:
    """Return the environment without developers' settings of Python, which slow starts."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def all_open_files() -> int:
    """Raise the limit on open files as far as possible; return it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most if most != resource.RLIM_INFINITY else 1_000_000


def free_port() -> int:
    """Return a loopback port on which nothing listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
