"""What a gate holds at a moment: memory, open files, tasks, connections, requests."""

import re
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.machine import family, rss_kib


@dataclass(frozen=True, slots=True)
class Vitals:
    """All workers together."""

    rss_kib: int
    files: int
    tasks: int
    upstream_connections: int
    in_flight: int


def vitals(pid: int, metrics_port: int) -> Vitals:
    """Take them now."""
    told = scrape(metrics_port)
    return Vitals(
        rss_kib=rss_kib(pid),
        files=sum(_files(one) for one in family(pid)),
        tasks=int(total(told, "sekisho_event_loop_tasks")),
        upstream_connections=int(total(told, "sekisho_upstream_connections")),
        in_flight=int(total(told, "sekisho_requests_in_flight")),
    )


def scrape(metrics_port: int) -> str:
    """What Prometheus would read."""
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=30) as answer:
        text: str = answer.read().decode()
    return text


def total(told: str, name: str) -> float:
    """The sum of a metric over its labels; ``name`` may have labels of its own."""
    start = re.escape(name) if "{" in name else rf"{name}(?:\{{[^}}]*\}})?"
    return sum(map(float, re.findall(rf"^{start} (\S+)$", told, re.MULTILINE)))


def _files(pid: int) -> int:
    with suppress(OSError):
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return 0
