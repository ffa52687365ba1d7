"""Install npm packages for tests once, outside the checkout."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from proxy.demo.binaries import cache_directory
from tests.support.debian import install_for, need_programs
from tests.support.isolation import exclusive_lock

PROGRAMS, PACKAGES = ("node", "npm"), ("nodejs", "npm")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install Node in CI for the fixtures that need it."""
    for fixture in ("oidc", "described"):
        install_for(session, fixture, PROGRAMS, PACKAGES)


def installed_packages(folder: Path) -> Path:
    """Return a copy of ``folder`` with the packages of its lock file.

    Missing npm fails in CI and skips elsewhere.
    """
    need_programs(PROGRAMS, PACKAGES)
    content = b"".join(file.read_bytes() for file in sorted(folder.iterdir()))
    digest = hashlib.sha256(content).hexdigest()[:16]
    place = cache_directory(os.environ) / "npm" / f"{folder.name}-{digest}"
    with exclusive_lock("npm"):
        if not (place / "complete").exists():
            _install(folder, place)
    return place


def _install(folder: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder, place)
    done = subprocess.run(
        ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"npm ci failed in {place}:\n{done.stderr[-2000:]}", pytrace=False)
    (place / "complete").touch()
