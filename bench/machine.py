"""CPU time and memory of a process and its children, from the operating system."""

import os
import time
from pathlib import Path

from bench.cgroups import accounted_seconds

_TICKS = os.sysconf("SC_CLK_TCK")

SETTLE_SECONDS = 8.0
"""How long to wait for constant memory; after that, it is read anyway."""

_STILL_SECONDS = 1.0
_STILL = 0.003
_POLL_SECONDS = 0.1


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and all its descendants, ended children included.

    It is exact where control groups count it (see :mod:`bench.cgroups`), else in ticks of 10 ms.
    """
    exact = accounted_seconds(pid)
    if exact is not None:
        return exact
    stats = (_read(f"/proc/{one}/stat") for one in family(pid))
    return sum(ticks_of(stat) for stat in stats if stat) / _TICKS


def ticks_of(stat: str) -> int:
    """Return the ticks in a ``/proc/<pid>/stat``, including waited-for children."""
    fields = stat.rpartition(")")[2].split()
    return sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime


def rss_kib(pid: int) -> int:
    """Return the resident memory of a process and its living descendants, in KiB."""
    return sum(resident_kib(_read(f"/proc/{one}/status")) for one in family(pid))


def resident_kib(status: str) -> int:
    """Return the resident memory in a ``/proc/<pid>/status``; 0 for an ended process."""
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def settled_rss_kib(pid: int) -> int:
    """Return the resident memory once it has been constant for a second."""
    deadline = time.monotonic() + SETTLE_SECONDS
    since, still = time.monotonic(), rss_kib(pid)
    while time.monotonic() < min(deadline, since + _STILL_SECONDS):
        time.sleep(_POLL_SECONDS)
        now = rss_kib(pid)
        if abs(now - still) > still * _STILL:
            since, still = time.monotonic(), now
    return rss_kib(pid)


def family(pid: int) -> list[int]:
    """Return a process and its living descendants."""
    return [pid, *(one for child in children(pid) for one in family(child))]


def children(pid: int) -> list[int]:
    """Return the living child processes; none of an ended process."""
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, _read(str(task / "children")).split())
    except OSError:
        pass
    return found


def _read(path: str) -> str:
    """Return a file of a process; empty once the process has ended."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""
