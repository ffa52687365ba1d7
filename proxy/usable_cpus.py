"""How many CPUs this process may use: those that its container or service was given."""

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def usable_cpus() -> int:
    """At least 1."""
    return max(1, min(_affinity(), _quota()))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota(root: Path = CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> int:
    """The least quota of our control group and those around it, rounded up. cgroups v2."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return _UNLIMITED
    ours = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    folders = [root / ours, *(root / ours).parents]
    return min(quota(one / "cpu.max") for one in folders if one.is_relative_to(root))


_UNLIMITED = 1_000_000


def quota(file: Path) -> int:
    """CPUs that a ``cpu.max`` (``max 100000``, ``150000 100000``) allows, rounded up."""
    try:
        most, _, period = file.read_text().strip().partition(" ")
        return math.ceil(int(most) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return _UNLIMITED
