"""HAProxy in front of several replicas, configured as docs/high-availability.md says."""

import csv
import socket
import time
from collections.abc import Sequence
from pathlib import Path

from bench.servers import Workshop

HEAD = """\
global
  maxconn 4000
  stats socket {folder}/admin.sock

defaults
  mode tcp
  timeout connect 3s
  timeout client 1h
  timeout server 1h
  timeout check 2s
  option redispatch 1
  retries 3

frontend clients
  bind 127.0.0.1:{port}
  default_backend replicas

backend replicas
  balance leastconn
  option httpchk GET /readyz
  # An unready replica gets no new connections and keeps those that it has. One that doesn't respond
  # is down, and its connections end, so that their clients connect to another replica.
  http-check expect status 200 error-status L7OKC
  default-server check check-ssl verify required ca-file {ca} inter 1s fall 2 rise 2
  default-server on-marked-down shutdown-sessions
"""

SERVER = "  server sekisho-{number} 127.0.0.1:{port}\n"


def configuration(folder: Path, ca: Path, port: int, replicas: Sequence[int]) -> str:
    """Return HAProxy's configuration. ``replicas`` are their ports."""
    servers = (SERVER.format(number=number, port=one) for number, one in enumerate(replicas, 1))
    return HEAD.format(folder=folder, ca=ca, port=port) + "".join(servers)


def states(folder: Path) -> dict[str, str]:
    """Return the state of each replica by its name: UP, NOLB (unready), or DOWN, maybe with more.

    ``folder`` has HAProxy's socket. Raises OSError if HAProxy does not run.
    """
    rows = csv.DictReader(_ask(folder, "show stat").lstrip("# ").splitlines())
    servers = [one for one in rows if one["pxname"] == "replicas"]
    return {one["svname"]: one["status"] for one in servers if one["svname"] != "BACKEND"}


def _ask(folder: Path, command: str) -> str:
    with socket.socket(socket.AF_UNIX) as admin:
        admin.connect(str(folder / "admin.sock"))
        admin.sendall(command.encode() + b"\n")
        response = b""
        while piece := admin.recv(65536):
            response += piece
    return response.decode()


class Balancer:
    """A running HAProxy on ``port``."""

    def __init__(self, shop: Workshop, ca: Path, port: int, replicas: Sequence[int]) -> None:
        self._folder = shop.folder / "haproxy"
        self._folder.mkdir()
        self._replicas = len(replicas)
        config = self._folder / "haproxy.cfg"
        config.write_text(configuration(self._folder, ca, port, replicas))
        shop.start("/usr/sbin/haproxy", "-f", config, port=port)

    def await_all(self, seconds: float = 120) -> None:
        """Wait until all replicas are ready. Raises RuntimeError if they aren't in time."""
        deadline = time.monotonic() + seconds
        while list((found := states(self._folder)).values()) != ["UP"] * self._replicas:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the load balancer has not all replicas: {found}")
            time.sleep(0.1)
