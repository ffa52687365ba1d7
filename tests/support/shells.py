"""Fixture for shells whose completion tests use."""

from pathlib import Path

import pytest

from tests.support.debian import install_for, need_programs

PROGRAMS = PACKAGES = ("bash", "zsh", "fish")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install them in CI."""
    install_for(session, "shells", PROGRAMS, PACKAGES)


@pytest.fixture(scope="session")
def shells() -> dict[str, Path]:
    """Return the path of each shell. Fails in CI and skips elsewhere if one is missing."""
    return need_programs(PROGRAMS, PACKAGES)
