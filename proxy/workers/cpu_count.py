"""Count the CPUs that this process may use: affinity and the quota of its control group."""

import math
import os
from pathlib import Path

_UNLIMITED = 1_000_000


def cpu_count() -> int:
    """Return the number of usable CPUs, at least 1."""
    return max(1, min(_affinity(), quota_of(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def quota_of(membership: Path, root: Path) -> int:
    """Return the least quota of the group in ``membership`` and its parents (cgroups v2)."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return _UNLIMITED
    group = root / next((line[4:] for line in lines if line.startswith("0::/")), "")
    folders = [one for one in (group, *group.parents) if one.is_relative_to(root)]
    return min(quota(one / "cpu.max") for one in folders)


def quota(file: Path) -> int:
    """Return the CPUs that ``cpu.max`` (``max 100000``, ``150000 100000``) allows, rounded up."""
    try:
        most, _, period = file.read_text().strip().partition(" ")
        return math.ceil(int(most) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return _UNLIMITED
