"""Run the clients: the benchmark's own and wrk. Their errors raise here."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.machine import cpu_seconds
from bench.scenarios.scenario import Figures
from bench.servers import Server, Workshop

CLIENT_SECONDS = 180.0
"""The timeout of one load."""


class LoadError(Exception):
    """The clients got errors, so the figures would measure rejections."""


def load(shop: Workshop, server: Server, what: str, path: str, **options: object) -> Figures:
    """Run the client to its end, and add the server's CPU time: ``cpu_s``."""
    before = cpu(server)
    try:
        done = subprocess.run(
            command(shop, server, what, path, options),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=CLIENT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LoadError(f"{what} against {server.name} took over {CLIENT_SECONDS:.0f} s") from None
    figures = figures_of(done.stdout, done.stderr, f"{what} against {server.name}")
    return figures | {"cpu_s": cpu(server) - before}


def figures_of(stdout: str, stderr: str, what: str) -> Figures:
    """Return the client's figures. Raises LoadError if it got errors or printed nothing."""
    try:
        said = json.loads(stdout)
    except ValueError:
        raise LoadError(f"{what}: {stderr.strip() or 'no result'}") from None
    if said.pop("errors"):
        raise LoadError(f"{what}: {said.get('error')}")
    del said["error"]
    return {name: float(value) for name, value in said.items()}


@dataclass(frozen=True, slots=True)
class Held:
    """A client that waits for a signal before it continues."""

    client: subprocess.Popen[str]
    what: str

    def finish(self) -> Figures:
        """Signal the client, wait for its end and return its figures. Raises LoadError."""
        out, err = self.client.communicate("\n", timeout=CLIENT_SECONDS)
        return figures_of(out, err, self.what)


@contextmanager
def holding(
    shop: Workshop, server: Server, what: str, path: str, **options: object
) -> Iterator[Held]:
    """Start a client that opens its connections and waits; stop it if it is not finished."""
    with subprocess.Popen(
        command(shop, server, what, path, options),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as client:
        assert client.stderr is not None
        try:
            held = Held(client, f"{what} against {server.name}")
            said = client.stderr.readline().strip()
            if said != "open":
                held.finish()
                raise LoadError(f"{held.what}: {said}")
            yield held
        finally:
            client.kill()


def wrk(server: Server, path: str, *, seconds: float, connections: int = 32) -> Figures:
    """Run wrk; return its ``per_s`` and the server's ``cpu_us`` per request."""
    before = cpu(server)
    done = subprocess.run(
        [
            *("wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"),
            *("--timeout", "10s"),
            *("-H", f"Authorization: Bearer {server.token}", server.url + path),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    used = cpu(server) - before
    requests, took = wrk_counts(done.stdout + done.stderr, f"wrk against {server.name}")
    return {"cpu_us": used / requests * 1e6, "per_s": requests / took}


def wrk_counts(said: str, what: str) -> tuple[int, float]:
    """Return requests and seconds from wrk's output. Raises LoadError if it got errors."""
    found = re.search(r"(\d+) requests in ([\d.]+)(m?)s", said)
    if found is None or not int(found[1]) or "Non-2xx" in said or "Socket errors" in said:
        raise LoadError(f"{what}: {said.strip()}")
    return int(found[1]), float(found[2]) / (1000 if found[3] else 1)


def cpu(server: Server) -> float:
    """Return the CPU seconds of the server."""
    return cpu_seconds(server.pid) if server.pid is not None else 0.0


def command(
    shop: Workshop, server: Server, what: str, path: str, options: dict[str, object]
) -> list[str]:
    """Return the command line of the benchmark's client."""
    words = [str(shop.folder / "load"), what, "-url", server.url + path, "-ca", str(server.ca)]
    words += ["-token", server.token]
    for name, value in options.items():
        flag = f"-{name.replace('_', '-')}"
        words += [flag] if value is True else [flag, str(value)]
    return words
