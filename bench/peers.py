"""Alternatives to the proxy, tuned as their documentation says, in one process each.

httputil.ReverseProxy does the proxy's job. nginx and haproxy only forward, and are the minimum cost
of a proxy. All verify the upstream's certificate, as the proxy does.
"""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from bench.servers import PREFIX, Server, Workshop, free_port


@dataclass(frozen=True)
class Peer:
    """A program that listens on ``port`` when ``command`` has started it."""

    name: str
    shop: Workshop
    command: tuple[str | Path, ...]
    port: int
    token: str = ""

    def start(self) -> Server:
        """Start it, and wait until it listens."""
        began = time.monotonic()
        log = self.shop.folder / f"{self.name}.log"
        pid = self.shop.start(*self.command, port=self.port, log=log)
        took = time.monotonic() - began
        url = f"https://127.0.0.1:{self.port}{PREFIX}"
        return Server(self.name, url, self.shop.ca, self.token, pid, took)


def go(shop: Workshop, token: str) -> Peer:
    """Return httputil.ReverseProxy; it accepts ``token``."""
    port, folder = free_port(), shop.folder
    command = (
        *(folder / "peer", "-listen", f"127.0.0.1:{port}", "-upstream", shop.upstream_url),
        *("-ca", shop.ca, "-cert", folder / "tls.crt", "-key", folder / "tls.key"),
        *("-token", token),
    )
    return Peer("go", shop, command, port, token)


def nginx(shop: Workshop) -> Peer | None:
    """Return nginx with one worker; None if it is not installed.

    Without ``proxy_buffering off`` it would delay events of a watch. Then its buffer is the size of
    a read; the default is a page, here it is a TLS record, which makes large lists faster.
    """
    program = _find("nginx")
    if program is None:
        return None
    port, folder = free_port(), shop.folder / "nginx"
    folder.mkdir()
    upstream = shop.upstream_url.removeprefix("https://")
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
        f"server {{ listen 127.0.0.1:{port} ssl; ssl_protocols TLSv1.2 TLSv1.3;"
        f"ssl_certificate {shop.folder}/tls.crt; ssl_certificate_key {shop.folder}/tls.key;"
        f"location {PREFIX}/ {{ proxy_pass https://api/; proxy_http_version 1.1;"
        "proxy_ssl_protocols TLSv1.2 TLSv1.3; proxy_ssl_name localhost;"
        f"proxy_ssl_trusted_certificate {shop.ca}; proxy_ssl_verify on;"
        "proxy_buffering off; proxy_buffer_size 16k; proxy_buffers 8 16k;"
        "proxy_request_buffering off;"
        "proxy_read_timeout 1h; proxy_send_timeout 1h;"
        "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $switch;"
        "} } }"
    )
    return Peer("nginx", shop, (program, "-p", folder, "-c", folder / "conf"), port)


def haproxy(shop: Workshop, open_files: int) -> Peer | None:
    """Return haproxy with one thread; None if it is not installed.

    It does not start with more connections than it has descriptors for, two for each.
    """
    program = _find("haproxy")
    if program is None:
        return None
    port, folder = free_port(), shop.folder / "haproxy"
    folder.mkdir()
    upstream = shop.upstream_url.removeprefix("https://")
    (folder / "conf").write_text(
        f"global\n  nbthread 1\n  maxconn {min(20_000, (open_files - 500) // 2)}\n"
        "defaults\n  mode http\n  timeout connect 5s\n  timeout client 1h\n"
        "  timeout server 1h\n  timeout tunnel 1h\n  http-reuse always\n"
        f"frontend f\n  bind 127.0.0.1:{port} ssl crt {shop.folder}/both.pem alpn http/1.1\n"
        f"  http-request replace-path {PREFIX}(/.*) \\1\n  default_backend b\n"
        f"backend b\n  server s {upstream} ssl ca-file {shop.ca} verify required\n"
    )
    return Peer("haproxy", shop, (program, "-db", "-f", folder / "conf"), port)


def _find(program: str) -> str | None:
    """Return a program's path; Debian installs servers in directories of root's PATH."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
