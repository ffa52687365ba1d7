"""Control groups (cgroup v1), where we may make them: exact CPU time, and caps on it.

A group counts every process that was ever in it, to the nanosecond; without one, ``/proc`` counts
in ticks of 10 ms. Groups are named after the process that made them; what a killed one left behind
is removed by the next.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

MOUNTS = Path("/sys/fs/cgroup")
PREFIX = "sekisho-bench"
PERIOD_US = 10_000
"""Short, so that a capped process looks like one on a slower core, not like one that hangs."""

_numbers = count()


def account(pid: int) -> bool:
    """Let a group count what ``pid`` and its future children use; False where none can be made."""
    try:
        group = _make("cpuacct")
        (group / "cgroup.procs").write_text(str(pid))
    except OSError:
        return False
    return True


def accounted_seconds(pid: int) -> float | None:
    """What the group of ``pid`` has used; None where :func:`account` made none."""
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
    """The path of a process's group, as ``/proc/<pid>/cgroup`` tells it. Pure."""
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return path
    return None


@contextmanager
def capped(pids: Sequence[int], share: float) -> Iterator[None]:
    """Give each process ``share`` of one core at the most. Raises OSError where we may not."""
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
    """Remove our groups that are empty, and those of benches that are gone."""
    for controller in ("cpu", "cpuacct"):
        for group in (MOUNTS / controller).glob(f"{PREFIX}-*"):
            maker = int(group.name.split("-")[2])
            if maker == os.getpid() or not Path(f"/proc/{maker}").exists():
                with suppress(OSError):  # somebody is still in it
                    group.rmdir()


def _make(controller: str) -> Path:
    group = MOUNTS / controller / f"{PREFIX}-{os.getpid()}-{next(_numbers)}"
    group.mkdir()
    return group
