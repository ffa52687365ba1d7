"""What a Sekisho holds open: to assert that a fault has left nothing behind."""

import re
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from tests.parts.sekisho import Sekisho

SETTLE_SECONDS = 40.0
"""How long what a fault has left may take to be cleared away: over every time limit of a test's."""


STORE = "sekisho.db"


def until(condition: Callable[[], bool], seconds: float, what: str = "it") -> None:
    """Poll until ``condition`` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen in {seconds:g} s"
        time.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Vitals:
    """What is open at one moment, as the kernel and the metrics see it."""

    sockets: int
    files: int
    tasks: int
    in_flight: int
    upstream_connections: int
    watches: int
    upgrades: int

    def exceeding(self, other: "Vitals") -> dict[str, tuple[int, int]]:
        """What is more than in ``other``: now, and then."""
        pairs = {one.name: (getattr(self, one.name), getattr(other, one.name)) for one in _FIELDS}
        return {name: (now, then) for name, (now, then) in pairs.items() if now > then}


_FIELDS = fields(Vitals)


def vitals(sekisho: Sekisho) -> Vitals:
    """Take them now."""
    url = f"http://127.0.0.1:{sekisho.metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=20) as answer:
        told = answer.read().decode()

    def total(name: str) -> int:
        found = re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", told, re.MULTILINE)
        return int(sum(map(float, found)))

    assert sekisho.process is not None
    sockets, files = _descriptors(sekisho.process.pid)
    return Vitals(
        sockets=sockets,
        files=files,
        tasks=total("sekisho_event_loop_tasks"),
        in_flight=total("sekisho_requests_in_flight"),
        upstream_connections=total("sekisho_upstream_connections"),
        watches=total("sekisho_open_watches"),
        upgrades=total("sekisho_open_upgrades"),
    )


def resting(sekisho: Sekisho) -> Vitals:
    """The vitals once nothing is served and no connection to a cluster idles any more."""
    found: list[Vitals] = []

    def still() -> bool:
        found.append(vitals(sekisho))
        now = found[-1]
        return not (now.in_flight or now.upstream_connections) and found[-2:] == [now, now]

    until(still, SETTLE_SECONDS, "rest")
    return found[-1]


def assert_no_more_than(before: Vitals, sekisho: Sekisho) -> None:
    """Poll until nothing is open that wasn't before; fail with what still is."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while left := vitals(sekisho).exceeding(before):
        assert time.monotonic() < deadline, f"left behind (now, before): {left}"
        time.sleep(0.1)


def memory(sekisho: Sekisho) -> int:
    """The process's resident memory, in bytes."""
    assert sekisho.process is not None
    status = Path(f"/proc/{sekisho.process.pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def _descriptors(pid: int) -> tuple[int, int]:
    """How many descriptors are sockets, and how many something else.

    The store's are left out: its pool opens connections when it first needs them, and keeps them.
    """
    sockets = others = 0
    for one in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(one.readlink())
        except OSError:  # closed while we look
            continue
        if STORE in target:
            continue
        is_socket = target.startswith("socket:")
        sockets += is_socket
        others += not is_socket
    return sockets, others
