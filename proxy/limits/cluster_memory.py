"""The memory that the objects of all clusters may take in this process."""

import os
from pathlib import Path

from config.settings import Settings
from proxy.limits.control_group import MEMBERSHIP, ROOT, control_groups
from proxy.limits.cpu_count import worker_count

PART = 4
"""Objects of clusters may take a quarter of the memory: they are estimated within a factor of two,
and the process needs the rest for requests."""

LEAST = 64 * 1024 * 1024
"""Bytes by default on the smallest machine."""


def cluster_memory(settings: Settings) -> int:
    """Return the bytes that objects of clusters may take in this worker."""
    if settings.controllers.memory:
        return int(settings.controllers.memory)
    workers = worker_count(settings.server.workers)
    return max(LEAST, usable_memory(MEMBERSHIP, ROOT) // PART // workers)


def usable_memory(membership: Path, root: Path) -> int:
    """Return the machine's memory, or the least limit of the control group and its parents."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    groups = control_groups(membership, root)
    return min([machine, *(most for one in groups if (most := _limit(one / "memory.max")))])


def _limit(file: Path) -> int:
    """Return the bytes in ``memory.max``; 0: no limit, which is ``max``."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return 0
