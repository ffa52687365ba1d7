"""Fixture for Prometheus, whose web pages tests load through the proxy."""

from pathlib import Path

import pytest

from tests.support.debian import install_for, need_programs

PROGRAMS, PACKAGES = ("prometheus",), ("prometheus",)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install it in CI."""
    install_for(session, "prometheus_program", PROGRAMS, PACKAGES)


@pytest.fixture(scope="session")
def prometheus_program() -> Path:
    """Return the path of Prometheus. Fails in CI and skips elsewhere if it is missing."""
    return need_programs(PROGRAMS, PACKAGES)["prometheus"]
