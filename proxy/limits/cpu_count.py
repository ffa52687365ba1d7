"""Count the CPUs that this process may use: affinity and the quota of its control group."""

import math
import os
from pathlib import Path
from typing import Literal

from proxy.limits.control_group import MEMBERSHIP, ROOT, control_groups

_UNLIMITED = 1_000_000


def cpu_count() -> int:
    """Return the number of usable CPUs, at least 1."""
    return max(1, min(_affinity(), quota_of(MEMBERSHIP, ROOT)))


def worker_count(workers: int | Literal["auto"]) -> int:
    """Return the number of workers that the setting means: ``auto`` is one for each usable CPU."""
    return cpu_count() if workers == "auto" else workers


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def quota_of(membership: Path, root: Path) -> int:
    """Return the least quota of the group in ``membership`` and its parents."""
    folders = control_groups(membership, root)
    return min((quota(one / "cpu.max") for one in folders), default=_UNLIMITED)


def quota(file: Path) -> int:
    """Return the CPUs that ``cpu.max`` (``max 100000``, ``150000 100000``) allows, rounded up."""
    try:
        most, _, period = file.read_text().strip().partition(" ")
        return math.ceil(int(most) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return _UNLIMITED
