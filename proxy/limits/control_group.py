"""Read the limits of this process's control group and its parents (cgroups v2)."""

from pathlib import Path

MEMBERSHIP = Path("/proc/self/cgroup")
ROOT = Path("/sys/fs/cgroup")


def control_groups(membership: Path = MEMBERSHIP, root: Path = ROOT) -> list[Path]:
    """Return the folders of the group in ``membership`` and of its parents; empty: none known."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return []
    group = root / next((line[4:] for line in lines if line.startswith("0::/")), "")
    return [one for one in (group, *group.parents) if one.is_relative_to(root)]
