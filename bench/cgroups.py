"""Control groups (cgroup v1), where they may be created: exact CPU time, and CPU limits.

A group counts all processes that were ever in it, in nanoseconds; without one, ``/proc`` counts in
ticks of 10 ms. Groups are named after the process that created them, so that the next one can
remove those of a killed process.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

MOUNTS = Path("/sys/fs/cgroup")
PREFIX = "sekisho-bench"
PERIOD_US = 10_000
"""Short, so that a limited process behaves as on a slower core, instead of pausing."""

_numbers = count()


def account(pid: int) -> bool:
    """Count the CPU time of ``pid`` and its future children; return False if impossible."""
    try:
        group = _make("cpuacct")
        (group / "cgroup.procs").write_text(str(pid))
    except OSError:
        return False
    return True


def accounted_seconds(pid: int) -> float | None:
    """Return the CPU time of the group of ``pid``; None without :func:`account`."""
    try:
        membership = Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return None
    path = group_of(membership, "cpuacct")
    if path is None or not path.rpartition("/")[2].startswith(PREFIX):
        return None
    usage = (MOUNTS / "cpuacct" / path.lstrip("/") / "cpuacct.usage").read_text()
    return int(usage) / 1e9


def group_of(membership: str, controller: str) -> str | None:
    """Return the path of a process's group, from ``/proc/<pid>/cgroup``."""
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return path
    return None


@contextmanager
def capped(pids: Sequence[int], share: float) -> Iterator[None]:
    """Limit each process to ``share`` of one core. Raises OSError without permission."""
    homes: list[tuple[int, Path]] = []
    try:
        for pid in pids:
            home = group_of(Path(f"/proc/{pid}/cgroup").read_text(), "cpu")
            group = _make("cpu")
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(round(PERIOD_US * share)))
            homes.append((pid, MOUNTS / "cpu" / (home or "/").lstrip("/")))
            (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        for pid, way_home in homes:
            with suppress(OSError):
                (way_home / "cgroup.procs").write_text(str(pid))
        tidy()


def tidy() -> None:
    """Remove empty groups of this benchmark and of earlier ones."""
    for controller in ("cpu", "cpuacct"):
        for group in (MOUNTS / controller).glob(f"{PREFIX}-*"):
            maker = int(group.name.split("-")[2])
            if maker == os.getpid() or not Path(f"/proc/{maker}").exists():
                with suppress(OSError):  # It still has processes.
                    group.rmdir()


def _make(controller: str) -> Path:
    group = MOUNTS / controller / f"{PREFIX}-{os.getpid()}-{next(_numbers)}"
    group.mkdir()
    return group
