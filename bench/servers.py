"""What is measured: the gate as users run it, and its peers, each in front of the same upstream."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from proxy.certificates import create_authority, issue_server
from proxy.demo.processes import under_us

ROOT = Path(__file__).parents[1]
PREFIX = "/k8s/clusters/bench"
START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """Something that answers at ``url``; ``pid`` is None for the upstream itself (no cost)."""

    name: str
    url: str
    ca: Path
    token: str
    pid: int | None


@dataclass
class Workshop:
    """A folder with certificates and programs, and the processes that were started from it."""

    folder: Path
    upstream_url: str = ""
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def ca(self) -> Path:
        """What every server's certificate is verified with, but the gate's."""
        return self.folder / "ca.crt"

    def prepare(self) -> None:
        """Make the certificates, and build the Go programs."""
        now = datetime.now(UTC)
        authority = create_authority("bench", lifetime=timedelta(days=1), now=now)
        server = issue_server(
            authority,
            common_name="bench",
            names=["127.0.0.1"],
            lifetime=timedelta(days=1),
            now=now,
        )
        self.ca.write_bytes(authority.certificate_pem)
        (self.folder / "tls.crt").write_bytes(server.certificate_pem)
        (self.folder / "tls.key").write_bytes(server.key_pem)
        subprocess.run(
            ["go", "build", "-o", f"{self.folder}/", "./..."],
            cwd=ROOT / "bench" / "go",
            env={**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"},
            check=True,
        )

    def start(
        self, *command: str | Path, port: int, environment: dict[str, str] | None = None
    ) -> int:
        """Start a program that will listen on ``port``; its pid, once it does."""
        log = (self.folder / "log").open("ab")
        process = subprocess.Popen(
            [*under_us(), *map(str, command)],
            stdout=log,
            stderr=log,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
        )
        self.running.append(process)
        deadline = time.monotonic() + START_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start; see {self.folder / 'log'}")
            time.sleep(0.01)
        return process.pid

    def stop(self) -> None:
        """End every process."""
        for process in reversed(self.running):
            process.terminate()
        for process in self.running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()

    # The servers.

    def upstream(self) -> Server:
        """The stand-in of an API server."""
        port = free_port()
        self.start(
            self.folder / "upstream",
            *("-listen", f"127.0.0.1:{port}"),
            *("-cert", self.folder / "tls.crt", "-key", self.folder / "tls.key"),
            port=port,
        )
        self.upstream_url = f"https://127.0.0.1:{port}"
        return Server("direct", self.upstream_url, self.ca, "", None)

    def go(self, token: str) -> Server:
        """httputil.ReverseProxy, doing the same job."""
        port = free_port()
        pid = self.start(
            self.folder / "peer",
            *("-listen", f"127.0.0.1:{port}", "-upstream", self.upstream_url, "-ca", self.ca),
            *("-cert", self.folder / "tls.crt", "-key", self.folder / "tls.key", "-token", token),
            port=port,
        )
        return Server("go", f"https://127.0.0.1:{port}{PREFIX}", self.ca, token, pid)

    def nginx(self) -> Server | None:
        """nginx, which only passes on; None where it isn't installed."""
        program = shutil.which("nginx")
        if program is None:
            return None
        port, folder = free_port(), self.folder / "nginx"
        folder.mkdir()
        upstream = self.upstream_url.removeprefix("https://")
        temporary = "".join(
            f"{kind}_temp_path {folder}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "conf").write_text(
            f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error;"
            "events { worker_connections 20000; } http { access_log off; "
            f"{temporary} keepalive_requests 100000000; client_max_body_size 0;"
            "map $http_upgrade $switch { default upgrade; '' ''; }"
            f"upstream api {{ server {upstream}; keepalive 1000; }}"
            f"server {{ listen 127.0.0.1:{port} ssl;"
            f"ssl_certificate {self.folder}/tls.crt; ssl_certificate_key {self.folder}/tls.key;"
            f"location {PREFIX}/ {{ proxy_pass https://api/; proxy_http_version 1.1;"
            "proxy_buffering off; proxy_request_buffering off; proxy_read_timeout 1h;"
            "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $switch;"
            "} } }"
        )
        pid = self.start(program, "-p", folder, "-c", folder / "conf", port=port)
        return Server("nginx", f"https://127.0.0.1:{port}{PREFIX}", self.ca, "", pid)

    def haproxy(self) -> Server | None:
        """haproxy, which only passes on; None where it isn't installed."""
        program = shutil.which("haproxy")
        if program is None:
            return None
        port, folder = free_port(), self.folder / "haproxy"
        folder.mkdir()
        (folder / "both.pem").write_bytes(
            (self.folder / "tls.crt").read_bytes() + (self.folder / "tls.key").read_bytes()
        )
        upstream = self.upstream_url.removeprefix("https://")
        (folder / "conf").write_text(
            "global\n  nbthread 1\n  maxconn 20000\n"
            "defaults\n  mode http\n  timeout connect 5s\n  timeout client 1h\n"
            "  timeout server 1h\n  timeout tunnel 1h\n  http-reuse always\n"
            f"frontend f\n  bind 127.0.0.1:{port} ssl crt {folder}/both.pem alpn http/1.1\n"
            f"  http-request replace-path {PREFIX}(/.*) \\1\n  default_backend b\n"
            f"backend b\n  server s {upstream} ssl ca-file {self.ca} verify required\n"
        )
        pid = self.start(program, "-db", "-f", folder / "conf", port=port)
        return Server("haproxy", f"https://127.0.0.1:{port}{PREFIX}", self.ca, "", pid)


@dataclass
class Gate:
    """A Sekisho of the bench's own, as users run it; ``extra`` is more of its configuration."""

    shop: Workshop
    name: str = "sekisho"
    extra: str = ""
    users: int = 0
    clusters: int = 0
    store_url: str = ""
    port: int = 0
    metrics_port: int = 0
    token: str = ""
    seconds_to_ready: float = 0.0

    @property
    def folder(self) -> Path:
        """Its configuration and data."""
        return self.shop.folder / self.name

    def prepare(self) -> None:
        """Write the configuration, and fill the store."""
        self.folder.mkdir()
        self.port, self.metrics_port = free_port(), free_port()
        store = f"store: {{url: '{self.store_url}'}}\n" if self.store_url else ""
        (self.folder / "sekisho.yaml").write_text(
            f'server: {{listen: "127.0.0.1:{self.port}"}}\n'
            f'metrics: {{listen: "127.0.0.1:{self.metrics_port}"}}\n'
            "data_dir: data\n"
            # Everything on; the limits on what one token may have at a time are not what a load
            # by one token measures.
            "limits: {token: {in_flight: 0, watches: 0, upgrades: 0}, "
            "user: {in_flight: 0, watches: 0, upgrades: 0}}\n"
            f"gate: {{max_connections_per_cluster: 100000}}\n{store}{self.extra}"
        )
        config = str(self.folder / "sekisho.yaml")
        self._run(
            *("-m", "bench.seed", config, self.shop.upstream_url, str(self.shop.ca)),
            *("--users", str(self.users), "--clusters", str(self.clusters)),
        )
        self._run("-m", "proxy", "user", "create", "root", "--admin", stdin="a long password\n")
        self.token = self._run("-m", "proxy", "token", "create", "--user", "root").strip()

    def start(self) -> Server:
        """Start it, and wait until it is ready."""
        began = time.monotonic()
        pid = self.shop.start(
            *(sys.executable, "-m", "proxy", "serve"),
            port=self.port,
            environment={"SEKISHO_CONFIG": str(self.folder / "sekisho.yaml")},
        )
        while not self._ready():
            time.sleep(0.005)
        self.seconds_to_ready = time.monotonic() - began
        ca = self.folder / "data" / "tls" / "ca.crt"
        return Server(self.name, f"https://127.0.0.1:{self.port}{PREFIX}", ca, self.token, pid)

    def _ready(self) -> bool:
        with suppress(OSError):
            url = f"http://127.0.0.1:{self.metrics_port}/readyz"
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status == 200)
        return False

    def _run(self, *arguments: str, stdin: str = "") -> str:
        if "user" in arguments:
            arguments = (*arguments, "--password-stdin")
        done = subprocess.run(
            [sys.executable, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "SEKISHO_CONFIG": str(self.folder / "sekisho.yaml")},
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{arguments}: {done.stderr}")
        return done.stdout


@contextmanager
def workshop(folder: Path) -> Iterator[Workshop]:
    """A workshop in ``folder``; every process ends with it."""
    shop = Workshop(folder)
    try:
        shop.prepare()
        yield shop
    finally:
        shop.stop()


def free_port() -> int:
    """A loopback port on which nothing listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
