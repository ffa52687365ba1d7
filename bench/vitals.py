"""Current resources of a proxy: memory, files, tasks, connections, requests."""

import re
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.machine import family, rss_kib


@dataclass(frozen=True, slots=True)
class Vitals:
    """Sums over all workers."""

    rss_kib: int
    files: int
    tasks: int
    upstream_connections: int
    in_flight: int


def vitals(pid: int, metrics_port: int) -> Vitals:
    """Return the current values."""
    metrics = scrape(metrics_port)
    return Vitals(
        rss_kib=rss_kib(pid),
        files=sum(_files(one) for one in family(pid)),
        tasks=int(total(metrics, "sekisho_event_loop_tasks")),
        upstream_connections=int(total(metrics, "sekisho_upstream_connections")),
        in_flight=int(total(metrics, "sekisho_requests_in_flight")),
    )


def scrape(metrics_port: int) -> str:
    """Return the metrics as Prometheus reads them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=30) as answer:
        text: str = answer.read().decode()
    return text


def total(metrics: str, name: str) -> float:
    """Return the sum of a metric over its labels; ``name`` may contain labels."""
    start = re.escape(name) if "{" in name else rf"{name}(?:\{{[^}}]*\}})?"
    return sum(map(float, re.findall(rf"^{start} (\S+)$", metrics, re.MULTILINE)))


def _files(pid: int) -> int:
    with suppress(OSError):
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return 0
