"""What is done to each server in turn, and what is read off it."""

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from bench.machine import cpu_seconds, rss_kib
from bench.servers import Server, Workshop

PODS = "/api/v1/namespaces/default/pods"
EXEC = f"{PODS}/web/exec?command=sh"

Figures = dict[str, float]


@dataclass(frozen=True)
class Scenario:
    """``run`` gives one round's figures; ``headline`` are those that the report compares."""

    name: str
    run: Callable[[Workshop, Server], Figures]
    headline: tuple[str, ...]


def load(shop: Workshop, server: Server, what: str, path: str, **options: object) -> Figures:
    """Run the bench's client to its end, and add what the server's CPU was."""
    before = _cpu(server)
    done = subprocess.run(
        _command(shop, server, what, path, options), capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{what} against {server.name}: {done.stderr}")
    figures: Figures = json.loads(done.stdout)
    figures["cpu_s"] = _cpu(server) - before
    return figures


def saturation(shop: Workshop, server: Server) -> Figures:
    """Small GETs as fast as they go (wrk): CPU for each, and how many a second."""
    before = _cpu(server)
    done = subprocess.run(
        [
            "wrk",
            "-t2",
            "-c32",
            "-d4s",
            "-H",
            f"Authorization: Bearer {server.token}",
            server.url + PODS,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    cpu = _cpu(server) - before
    found = re.search(r"(\d+) requests in ([\d.]+)s", done.stdout)
    if found is None or "Non-2xx" in done.stdout:
        raise RuntimeError(f"wrk against {server.name}: {done.stdout}")
    requests, seconds = int(found[1]), float(found[2])
    return {"cpu_us": cpu / requests * 1e6, "per_s": requests / seconds}


def at_rate(rate: int) -> Callable[[Workshop, Server], Figures]:
    """Latency at a fixed rate."""
    return lambda shop, server: load(shop, server, "rate", PODS, rate=rate, seconds=4)


def fresh(shop: Workshop, server: Server) -> Figures:
    """A new TLS connection for each request, as kubectl makes them."""
    figures = load(shop, server, "fresh", PODS, count=600, workers=4)
    figures["cpu_us"] = figures["cpu_s"] / figures["count"] * 1e6
    return figures


def download(shop: Workshop, server: Server) -> Figures:
    """Lists of 20 MB."""
    figures = load(shop, server, "bulk", PODS, count=24, workers=2, size=20 << 20)
    figures["cpu_ns_per_byte"] = figures["cpu_s"] / max(figures["bytes"], 1) * 1e9
    return figures


def upload(shop: Workshop, server: Server) -> Figures:
    """Bodies of 20 MB."""
    return load(shop, server, "bulk", PODS, count=12, workers=2, size=20 << 20, post=True)


def sessions(shop: Workshop, server: Server) -> Figures:
    """Upgraded connections that carry little: what each costs, and a byte's way there and back."""
    figures = load(shop, server, "pipe", EXEC, count=200, workers=4, size=0)
    figures["cpu_ms"] = figures["cpu_s"] / figures["sessions"] * 1e3
    return figures


def stream(shop: Workshop, server: Server) -> Figures:
    """Upgraded connections that carry much: 100 MB there and back."""
    figures = load(shop, server, "pipe", EXEC, count=3, workers=1, size=100 << 20)
    figures["cpu_ns_per_byte"] = figures["cpu_s"] / max(2 * figures["bytes"], 1) * 1e9
    return figures


def watches(count: int) -> Callable[[Workshop, Server], Figures]:
    """Idle watches: memory for each, and how late an event reaches them all."""

    def run(shop: Workshop, server: Server) -> Figures:
        empty = _rss(server)
        options: dict[str, object] = {"count": count, "workers": 64, "seconds": 20}
        command = _command(shop, server, "watch", f"{PODS}?watch=1", options)
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as client:
            assert client.stdout is not None
            assert client.stderr is not None
            client.stderr.readline()
            full = _rss(server)
            figures: Figures = json.loads(client.stdout.read())
        figures["kib_per_watch"] = (full - empty) / count
        return figures

    return run


def scenarios(watch_count: int) -> list[Scenario]:
    """All of them, in the order of the report."""
    return [
        Scenario("small GET", saturation, ("cpu_us", "per_s")),
        Scenario("200/s", at_rate(200), ("p50_us", "p99_us")),
        Scenario("2000/s", at_rate(2000), ("p50_us", "p99_us", "p999_us")),
        Scenario("fresh TLS", fresh, ("cpu_us",)),
        Scenario("20 MB list", download, ("mb_per_s", "cpu_ns_per_byte")),
        Scenario("20 MB body", upload, ("mb_per_s",)),
        Scenario("exec session", sessions, ("cpu_ms", "p50_us")),
        Scenario("exec stream", stream, ("mb_per_s", "cpu_ns_per_byte")),
        Scenario(f"{watch_count} watches", watches(watch_count), ("kib_per_watch", "p99_us")),
    ]


def _command(
    shop: Workshop, server: Server, what: str, path: str, options: dict[str, object]
) -> list[str]:
    command = [str(shop.folder / "load"), what, "-url", server.url + path, "-ca", str(server.ca)]
    command += ["-token", server.token]
    for name, value in options.items():
        command += [f"-{name}"] if value is True else [f"-{name}", str(value)]
    return command


def _cpu(server: Server) -> float:
    return cpu_seconds(server.pid) if server.pid is not None else 0.0


def _rss(server: Server) -> int:
    return rss_kib(server.pid) if server.pid is not None else 0
