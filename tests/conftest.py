"""Real parts that any test may ask for."""

import socket

import pytest

pytest_plugins = [
    "tests.parts.kubernetes",
    "tests.parts.postgres",
    "tests.parts.sekisho",
    "tests.parts.browser",
    "tests.parts.samba",
    "tests.parts.openldap",
]


@pytest.fixture
def unused_port() -> int:
    """A loopback port on which nothing listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        return port
