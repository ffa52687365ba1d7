"""Fixture with systemd-analyze and strace. It does not run systemd."""

from pathlib import Path

import pytest

from tests.support.debian import install_for, need_programs

PROGRAMS, PACKAGES = ("systemd-analyze", "strace"), ("systemd", "strace")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install the programs in CI."""
    install_for(session, "systemd", PROGRAMS, PACKAGES)


@pytest.fixture(scope="session")
def systemd() -> dict[str, Path]:
    """Return the paths of systemd-analyze and strace. Fails in CI and skips elsewhere."""
    return need_programs(PROGRAMS, PACKAGES)
