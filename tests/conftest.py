"""Fixtures with real servers for all tests, and a time limit for set-up."""

import signal
from collections.abc import Generator
from types import FrameType

import pytest
from hypothesis import HealthCheck, settings

from tests.support.isolation import free_port

# Hypothesis fails an example that takes 0.2 s, which any may take on a busy machine.
settings.register_profile(
    "untimed",
    parent=settings.default,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("untimed")

SET_UP_SECONDS = 900
"""Time limit in seconds for set-up or teardown of a test, which may start shared servers."""

pytest_plugins = [
    "tests.support.sharing",
    "tests.support.kubernetes",
    "tests.support.builds_on_request",
    "tests.support.otel_collector",
    "tests.support.helm",
    "tests.support.capi.management_cluster",
    "tests.support.load_balancers",
    "tests.support.built_image",
    "tests.support.postgres",
    "tests.support.running",
    "tests.support.shared_proxy",
    "tests.support.browser",
    "tests.support.samba",
    "tests.support.openldap",
    "tests.support.npm",
    "tests.support.systemd",
    "tests.support.prometheus",
    "tests.support.shells",
]


@pytest.fixture
def unused_port() -> int:
    """Return an unused loopback port."""
    return free_port()


def _fail(number: int, frame: FrameType | None) -> None:
    pytest.fail(f"set-up or teardown took over {SET_UP_SECONDS} s")


def _with_time_limit() -> Generator[None, object, object]:
    before = signal.signal(signal.SIGALRM, _fail)
    signal.setitimer(signal.ITIMER_REAL, SET_UP_SECONDS)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, object, object]:
    """Limit the time of a set-up."""
    return (yield from _with_time_limit())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None, object, object]:
    """Limit the time of a teardown."""
    return (yield from _with_time_limit())
