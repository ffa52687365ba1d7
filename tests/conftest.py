"""Real parts that any test may ask for, and how tests are shared out among processes."""

import pytest

from tests.parts.alone import free_port

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
    return free_port()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests in one process, and a pair of compared versions too: they share parts."""
    for item in items:
        group = item.nodeid.partition("::")[0]
        if isinstance(item, pytest.Function) and "versions" in item.fixturenames:
            group = str(item.callspec.params["versions"])
        item.add_marker(pytest.mark.xdist_group(group))
