"""Count the open resources of a Sekisho, to assert that a fault leaks none."""

import re
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

from tests.support.sekisho import Sekisho
from tests.support.waiting import wait_until

SETTLE_SECONDS = 120.0
"""Seconds to wait for resources to be released. Longer than any time limit in tests."""


STORE = ("sekisho.db", "sekisho-audit.db", "/etilqs_")
"""In the names of the stores' files, of which there are more when their pools grow. SQLite's
temporary files have the last."""


@dataclass(frozen=True, slots=True)
class OpenResources:
    """Open resources at one moment, from the kernel and the metrics."""

    sockets: int
    files: int
    tasks: int
    in_flight: int
    upstream_connections: int
    watches: int
    upgrades: int

    def exceeding(self, other: "OpenResources") -> dict[str, tuple[int, int]]:
        """Return the fields that are larger than in ``other``, with both values."""
        pairs = {one.name: (getattr(self, one.name), getattr(other, one.name)) for one in _FIELDS}
        return {
            name: (current, previous)
            for name, (current, previous) in pairs.items()
            if current > previous
        }


_FIELDS = fields(OpenResources)


def open_resources(sekisho: Sekisho) -> OpenResources:
    """Return the current counts."""
    url = f"http://127.0.0.1:{sekisho.metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=120) as response:
        metrics = response.read().decode()

    def total(name: str) -> int:
        samples = re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", metrics, re.MULTILINE)
        return int(sum(map(float, samples)))

    assert sekisho.process is not None
    sockets, files = _descriptors(sekisho.process.pid)
    return OpenResources(
        sockets=sockets,
        files=files,
        tasks=total("sekisho_event_loop_tasks"),
        in_flight=total("sekisho_requests_in_flight"),
        upstream_connections=total("sekisho_upstream_connections"),
        watches=total("sekisho_open_watches"),
        upgrades=total("sekisho_open_upgrades"),
    )


def idle_resources(sekisho: Sekisho) -> OpenResources:
    """Wait until no request runs and no upstream connection is open; return the counts."""
    samples: list[OpenResources] = []

    def is_idle() -> bool:
        samples.append(open_resources(sekisho))
        current = samples[-1]
        return not (current.in_flight or current.upstream_connections) and samples[-2:] == [
            current,
            current,
        ]

    wait_until(is_idle, SETTLE_SECONDS, "rest")
    return samples[-1]


def assert_released(before: OpenResources, sekisho: Sekisho) -> None:
    """Poll until no count exceeds ``before``; fail with those that do."""
    assert sekisho.process is not None
    pid = sekisho.process.pid
    remaining: list[object] = []

    def released() -> bool:
        remaining[:] = [open_resources(sekisho).exceeding(before)]
        return not any(remaining)

    what = "the release of (now, before)"
    wait_until(released, SETTLE_SECONDS, lambda: f"{what}: {remaining}, of {_targets(pid)}")


def resident_memory(sekisho: Sekisho) -> int:
    """Return the process's resident memory in bytes."""
    assert sekisho.process is not None
    status = Path(f"/proc/{sekisho.process.pid}/status").read_text()
    samples = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert samples is not None
    return int(samples[1]) * 1024


def _descriptors(pid: int) -> tuple[int, int]:
    """Return the numbers of sockets and of other descriptors.

    Descriptors of the store are ignored: its pool opens connections on demand and keeps them.
    """
    counted = [one for one in _targets(pid) if not any(name in one for name in STORE)]
    sockets = sum(one.startswith("socket:") for one in counted)
    return sockets, len(counted) - sockets


def _targets(pid: int) -> list[str]:
    """Return what the descriptors of a process refer to."""
    targets = []
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            targets.append(str(one.readlink()))
    return sorted(targets)
