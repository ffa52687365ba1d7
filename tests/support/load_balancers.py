"""nginx, HAProxy, and Envoy, as operators put them in front of Sekisho."""

from pathlib import Path

import pytest

from tests.support.debian import install_for, need_programs
from tests.support.envoy import installed_envoy

STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so"
"""nginx's module that passes TLS through, which is a package of its own."""

PROGRAMS = ("nginx", "haproxy", STREAM)
PACKAGES = ("nginx-light", "haproxy", "libnginx-mod-stream")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install them in CI."""
    install_for(session, "load_balancers", PROGRAMS, PACKAGES)


@pytest.fixture(scope="session")
def load_balancers() -> dict[str, Path]:
    """Return the paths of the programs by name."""
    return need_programs(PROGRAMS, PACKAGES) | {"envoy": installed_envoy()}
