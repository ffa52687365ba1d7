"""Real parts that any test may ask for."""

import pytest

from tests.parts.alone import free_port

pytest_plugins = [
    "tests.parts.sharing",
    "tests.parts.kubernetes",
    "tests.parts.postgres",
    "tests.parts.sekisho",
    "tests.parts.browser",
    "tests.parts.samba",
    "tests.parts.openldap",
    "tests.parts.npm",
]


@pytest.fixture
def unused_port() -> int:
    """A loopback port on which nothing listens."""
    return free_port()
