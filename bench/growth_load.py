"""Measurements for the growth curves: one figure of one server at a time."""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from bench.machine import cpu_seconds, rss_kib
from bench.scenarios.scenario import EXEC, PODS
from bench.servers import Server, Workshop, free_port

ROUNDS, MOST_ROUNDS = 2, 10
SETTLE_SECONDS = 60.0


def small_get(server: Server, *, seconds: int = 1, token: str | None = None) -> float:
    """Return the CPU µs of a small GET with a cached token: the minimum of ROUNDS.

    Other load on the machine only increases the figure.
    """
    if token is not None:
        server = replace(server, token=token)
    costs: list[float] = []
    said = ""
    _wrk(server, seconds)  # The first round opens connections and fills caches.
    for _ in range(MOST_ROUNDS):
        cost, said = _wrk(server, seconds)
        # Other load may take all of the machine for a second.
        costs += [cost] if cost is not None else []
        if len(costs) == ROUNDS:
            return min(costs)
    raise RuntimeError(f"wrk against {server.name}: {said}")


def _wrk(server: Server, seconds: int) -> tuple[float | None, str]:
    """Return the CPU µs of a request and wrk's output; None where requests failed."""
    before = cpu_of(server)
    done = subprocess.run(
        [
            *("wrk", "-t2", "-c32", f"-d{seconds}s"),
            *("-H", f"Authorization: Bearer {server.token}", server.url + PODS),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    cpu, said = cpu_of(server) - before, done.stdout
    found = re.search(r"(\d+) requests in", said)
    answered = int(found[1]) if found else 0
    if not answered or "Non-2xx" in said or "Socket errors" in said:
        return None, said
    return cpu / answered * 1e6, said


def each_once(shop: Workshop, server: Server, count: int, **options: object) -> float:
    """Return the CPU µs of a small GET; ``{n}`` in ``url`` and ``token`` is its number.

    ``step`` is the difference between two numbers; after ``wrap`` they start again.
    """
    before = cpu_of(server)
    command = _client(shop, server, "ask", count=count, **options)
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{server.name}: {done.stderr}")
    return (cpu_of(server) - before) / count * 1e6


class Held:
    """Open streams or sessions, whose number can grow."""

    def __init__(self, shop: Workshop, server: Server, *, sessions: bool) -> None:
        self._shop = shop
        self._server = server
        self._url = server.url + (EXEC if sessions else f"{PODS}?watch=1")
        self._options = ["-upgrade"] if sessions else []
        self._clients: list[subprocess.Popen[str]] = []
        self.count = 0

    def grow_to(self, count: int) -> None:
        """Open more, up to that number."""
        more, self.count = count - self.count, count
        command = _client(
            self._shop, self._server, "hold", url=self._url, token=self._server.token, count=more
        )
        client = subprocess.Popen(
            [*command, *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._clients.append(client)
        assert client.stdout is not None
        assert client.stderr is not None
        if client.stdout.readline() != "open\n":
            raise RuntimeError(f"{count} on {self._server.name}: {client.stderr.read()}")

    def end(self) -> None:
        """Close all."""
        for client in self._clients:
            client.kill()
            client.communicate()


@contextmanager
def held(shop: Workshop, server: Server, *, sessions: bool) -> Iterator[Held]:
    """Yield watches or exec sessions, and close them at the end."""
    made = Held(shop, server, sessions=sessions)
    try:
        yield made
    finally:
        made.end()


def events(server: Server, watches: int, *, every: float, seconds: float) -> float:
    """Return the CPU µs of an event to one of so many watches, each with one ``every`` s."""
    before, began = cpu_of(server), time.monotonic()
    time.sleep(seconds)
    cpu, took = cpu_of(server) - before, time.monotonic() - began
    return cpu / (watches * took / every) * 1e6


@contextmanager
def upstream(shop: Workshop, *, every: float = 0.0) -> Iterator[None]:
    """Replace the upstream by one whose watches send an event ``every`` s; 0: never."""
    before, port = shop.upstream_url, free_port()
    pid = shop.start(
        shop.folder / "upstream",
        *("-listen", f"127.0.0.1:{port}", "-every", f"{every}s"),
        *("-cert", shop.folder / "tls.crt", "-key", shop.folder / "tls.key"),
        port=port,
    )
    shop.upstream_url = f"https://127.0.0.1:{port}"
    try:
        yield
    finally:
        shop.upstream_url = before
        shop.end(pid)


def settle(server: Server) -> None:
    """Wait until a started server is idle."""
    deadline = time.monotonic() + SETTLE_SECONDS
    used = cpu_of(server)
    while time.monotonic() < deadline:
        time.sleep(0.4)
        before, used = used, cpu_of(server)
        if used - before < 0.1:
            return
    raise RuntimeError(f"{server.name} is still busy with itself after {SETTLE_SECONDS} s")


def cpu_of(server: Server) -> float:
    """Return the CPU seconds of a server."""
    assert server.pid is not None
    return cpu_seconds(server.pid)


def memory_of(server: Server) -> int:
    """Return the resident KiB of a server."""
    assert server.pid is not None
    return rss_kib(server.pid)


def _client(shop: Workshop, server: Server, what: str, **options: object) -> list[str]:
    command = [str(shop.folder / "growth"), what, "-ca", str(server.ca)]
    for name, value in options.items():
        command += [f"-{name}", str(value)]
    return command
