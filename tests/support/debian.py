"""Find programs from Debian packages, install them in CI, or skip with a hint."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.isolation import exclusive_lock

OPTIONS = ("--yes", "--no-install-recommends")
LOCK = ("-o", "DPkg::Lock::Timeout=600")
"""Seconds that apt waits for another one, such as the daily upgrade of a new machine."""
POLICY = Path("/usr/sbin/policy-rc.d")
PLACES = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


_failures: list[str] = []
"""What apt-get said about what it could not install."""


def install_for(
    session: pytest.Session, fixture: str, programs: Sequence[str], packages: Sequence[str]
) -> None:
    """Install the packages that ``fixture`` needs, in CI and as root.

    Called after collection, so that minutes of installation count against no test's timeout.
    """
    needed = any(fixture in getattr(item, "fixturenames", ()) for item in session.items)
    if not needed or session.config.option.collectonly or not os.environ.get("CI"):
        return
    missing = len(_find(programs)) < len(programs)
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        with exclusive_lock("install"):
            if len(_find(programs)) < len(programs):
                _install(packages)


def need_programs(programs: Sequence[str], packages: Sequence[str]) -> dict[str, Path]:
    """Return the path of each program. A missing one fails in CI and skips elsewhere."""
    found = _find(programs)
    if len(found) == len(programs):
        return found
    hint = f"{', '.join(programs)} are needed: apt-get install {' '.join(packages)}"
    if os.environ.get("CI"):
        pytest.fail(explained(hint), pytrace=False)
    pytest.skip(hint)


def _find(programs: Sequence[str]) -> dict[str, Path]:
    """Return the programs that exist by name; a path is that of a file which a program loads."""
    places = {name: shutil.which(name, path=PLACES) for name in programs}
    files = {name: Path(name) for name in programs if os.path.isabs(name) and Path(name).exists()}
    return {name: Path(place) for name, place in places.items() if place} | files


def explained(hint: str) -> str:
    """Return ``hint`` with what apt-get said about what it could not install."""
    return "\n".join((hint, *_failures))


def apt_get(*words: str, options: Sequence[str] = OPTIONS) -> None:
    """Run apt-get without questions. What it refuses is kept for :func:`explained`."""
    done = subprocess.run(
        ["apt-get", "-q", *LOCK, *options, *words],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        _failures.append(f"apt-get {' '.join(words)}: {done.stderr.strip()}")


def _install(packages: Sequence[str]) -> None:
    """Install packages one by one, because Debian releases split Samba differently."""
    with _services_disabled():
        apt_get("update")
        for name in packages:
            apt_get("install", name)


@contextmanager
def _services_disabled() -> Iterator[None]:
    """Prevent packages from starting their servers, which would use ports that tests need.

    Uses Debian's policy-rc.d interface. An existing file stays unchanged.
    """
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
