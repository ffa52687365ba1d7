"""Programs that come in Debian's packages: found, installed in CI, or skipped with a hint."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.parts.alone import alone

OPTIONS = ("--yes", "--no-install-recommends")
POLICY = Path("/usr/sbin/policy-rc.d")
PLACES = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


def install_for(
    session: pytest.Session, fixture: str, programs: Sequence[str], packages: Sequence[str]
) -> None:
    """Install what tests that ask for ``fixture`` need, in CI, by root.

    Once they are collected: so that minutes of it count against no test's timeout.
    """
    wanted = any(fixture in getattr(item, "fixturenames", ()) for item in session.items)
    if not wanted or session.config.option.collectonly or not os.environ.get("CI"):
        return
    missing = len(_find(programs)) < len(programs)
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        with alone("install"):
            if len(_find(programs)) < len(programs):
                _install(packages)


def need_programs(programs: Sequence[str], packages: Sequence[str]) -> dict[str, Path]:
    """Where each program is. A missing one is a failure in CI, and a skip elsewhere."""
    found = _find(programs)
    if len(found) == len(programs):
        return found
    hint = f"{', '.join(programs)} are needed: apt-get install {' '.join(packages)}"
    if os.environ.get("CI"):
        pytest.fail(hint, pytrace=False)
    pytest.skip(hint)


def _find(programs: Sequence[str]) -> dict[str, Path]:
    places = {name: shutil.which(name, path=PLACES) for name in programs}
    return {name: Path(place) for name, place in places.items() if place}


def _install(packages: Sequence[str]) -> None:
    """One by one: releases of Debian differ in how they cut Samba into packages."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _nothing_started():
        for command in (["update"], *(["install", *OPTIONS, name] for name in packages)):
            subprocess.run(
                ["apt-get", "-q", *command], env=environment, check=False, capture_output=True
            )


@contextmanager
def _nothing_started() -> Iterator[None]:
    """Packages don't start their servers, which would take the ports that tests need.

    By Debian's policy-rc.d interface; where there is one already, it stays as it is.
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
