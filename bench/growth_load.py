"""What the growth curves are measured with: one figure of one server at a time."""

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
    """CPU µs of a small GET, by a token that was used before: the least of ROUNDS.

    What else the machine does meanwhile only ever adds to it.
    """
    if token is not None:
        server = replace(server, token=token)
    costs: list[float] = []
    said = ""
    _wrk(server, seconds)  # the first makes connections and fills caches
    for _ in range(MOST_ROUNDS):
        cost, said = _wrk(server, seconds)
        # A machine that is busy with something else may leave nothing for a whole second.
        costs += [cost] if cost is not None else []
        if len(costs) == ROUNDS:
            return min(costs)
    raise RuntimeError(f"wrk against {server.name}: {said}")


def _wrk(server: Server, seconds: int) -> tuple[float | None, str]:
    """CPU µs of a request, None where none, or not every one, was answered; and what wrk said."""
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
    """CPU µs of a small GET, each of its own: ``{n}`` in ``url`` and ``token`` is its number.

    ``step`` is from one number to the next; at ``wrap`` they begin anew.
    """
    before = cpu_of(server)
    command = _client(shop, server, "ask", count=count, **options)
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{server.name}: {done.stderr}")
    return (cpu_of(server) - before) / count * 1e6


class Held:
    """Streams or sessions that stay open; more can be added."""

    def __init__(self, shop: Workshop, server: Server, *, sessions: bool) -> None:
        self._shop = shop
        self._server = server
        self._url = server.url + (EXEC if sessions else f"{PODS}?watch=1")
        self._options = ["-upgrade"] if sessions else []
        self._clients: list[subprocess.Popen[str]] = []
        self.count = 0

    def grow_to(self, count: int) -> None:
        """Have that many of them open."""
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
        """Close them all."""
        for client in self._clients:
            client.kill()
            client.communicate()


@contextmanager
def held(shop: Workshop, server: Server, *, sessions: bool) -> Iterator[Held]:
    """Watches, or exec sessions, that are closed at the end."""
    made = Held(shop, server, sessions=sessions)
    try:
        yield made
    finally:
        made.end()


def events(server: Server, watches: int, *, every: float, seconds: float) -> float:
    """CPU µs of an event that reaches one of so many watches, all of which get it ``every`` s."""
    before, began = cpu_of(server), time.monotonic()
    time.sleep(seconds)
    cpu, took = cpu_of(server) - before, time.monotonic() - began
    return cpu / (watches * took / every) * 1e6


@contextmanager
def upstream(shop: Workshop, *, every: float = 0.0) -> Iterator[None]:
    """Another upstream for who starts now, whose watches say something ``every`` s; 0: never."""
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
    """Wait until a server that has just started has nothing to do any more."""
    deadline = time.monotonic() + SETTLE_SECONDS
    used = cpu_of(server)
    while time.monotonic() < deadline:
        time.sleep(0.4)
        before, used = used, cpu_of(server)
        if used - before < 0.1:
            return
    raise RuntimeError(f"{server.name} is still busy with itself after {SETTLE_SECONDS} s")


def cpu_of(server: Server) -> float:
    """Seconds that a server has used."""
    assert server.pid is not None
    return cpu_seconds(server.pid)


def memory_of(server: Server) -> int:
    """KiB that a server has resident."""
    assert server.pid is not None
    return rss_kib(server.pid)


def _client(shop: Workshop, server: Server, what: str, **options: object) -> list[str]:
    command = [str(shop.folder / "growth"), what, "-ca", str(server.ca)]
    for name, value in options.items():
        command += [f"-{name}", str(value)]
    return command
