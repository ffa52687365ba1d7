"""Programs that come in Debian's packages: found, installed in CI, or skipped with a hint."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

PLACES = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


def need_programs(programs: Sequence[str], packages: Sequence[str]) -> dict[str, Path]:
    """Where each program is. A missing one is installed in CI, by root; else it is a skip."""
    found = _find(programs)
    if len(found) == len(programs):
        return found
    hint = f"{', '.join(programs)} are needed: apt-get install {' '.join(packages)}"
    if not os.environ.get("CI"):
        pytest.skip(hint)
    if os.geteuid() == 0 and shutil.which("apt-get"):
        _install(packages)
    found = _find(programs)
    if len(found) < len(programs):
        pytest.fail(hint, pytrace=False)
    return found


def _find(programs: Sequence[str]) -> dict[str, Path]:
    places = {name: shutil.which(name, path=PLACES) for name in programs}
    return {name: Path(place) for name, place in places.items() if place}


def _install(packages: Sequence[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["install", "--yes", "--no-install-recommends", *packages]
    for command in (["update"], install):
        subprocess.run(
            ["apt-get", "-q", *command], env=environment, check=False, capture_output=True
        )
