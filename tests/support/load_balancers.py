"""nginx and HAProxy, as operators put them in front of Sekisho."""

from pathlib import Path

import pytest

from tests.support.debian import install_for, need_programs

PROGRAMS = ("nginx", "haproxy")
PACKAGES = ("nginx-light", "haproxy")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install them in CI."""
    install_for(session, "load_balancers", PROGRAMS, PACKAGES)


@pytest.fixture(scope="session")
def load_balancers() -> dict[str, Path]:
    """Return the paths of the programs by name."""
    return need_programs(PROGRAMS, PACKAGES)
