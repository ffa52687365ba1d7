"""What the operating system says a process and its children have used."""

import os
import time
from pathlib import Path

from bench.cgroups import accounted_seconds

_TICKS = os.sysconf("SC_CLK_TCK")

SETTLE_SECONDS = 8.0
"""How long memory may take to settle; a server that never rests is read then."""

_STILL_SECONDS = 1.0
_STILL = 0.003
_POLL_SECONDS = 0.1


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and all its descendants, user and system, children that ended too.

    Exact where control groups count it (see :mod:`bench.cgroups`), else in ticks of 10 ms.
    """
    exact = accounted_seconds(pid)
    if exact is not None:
        return exact
    stats = (_read(f"/proc/{one}/stat") for one in family(pid))
    return sum(ticks_of(stat) for stat in stats if stat) / _TICKS


def ticks_of(stat: str) -> int:
    """The ticks in a ``/proc/<pid>/stat``, those of children it waited for included. Pure."""
    fields = stat.rpartition(")")[2].split()
    return sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime


def rss_kib(pid: int) -> int:
    """Resident memory of a process and all its living descendants, in KiB."""
    return sum(resident_kib(_read(f"/proc/{one}/status")) for one in family(pid))


def resident_kib(status: str) -> int:
    """The resident memory in a ``/proc/<pid>/status``; a process that ended has none. Pure."""
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def settled_rss_kib(pid: int) -> int:
    """Resident memory once it has not moved for a second."""
    deadline = time.monotonic() + SETTLE_SECONDS
    since, still = time.monotonic(), rss_kib(pid)
    while time.monotonic() < min(deadline, since + _STILL_SECONDS):
        time.sleep(_POLL_SECONDS)
        now = rss_kib(pid)
        if abs(now - still) > still * _STILL:
            since, still = time.monotonic(), now
    return rss_kib(pid)


def family(pid: int) -> list[int]:
    """A process and its living descendants."""
    return [pid, *(one for child in children(pid) for one in family(child))]


def children(pid: int) -> list[int]:
    """The processes that a process started and that still live; none for one that ended."""
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, _read(str(task / "children")).split())
    except OSError:
        pass
    return found


def _read(path: str) -> str:
    """A file of a process; nothing once the process has ended."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""
