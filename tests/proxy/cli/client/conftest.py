"""Fixtures: a running server, and the environment of a user's machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sekisho import Sekisho, free_port, make_sekisho, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    made = make_sekisho(tmp_path_factory.mktemp("server"), (free_port(), free_port()))
    made.create_user("alice")
    with running(made):
        yield made


@pytest.fixture
def laptop(server: Sekisho, tmp_path: Path) -> Sekisho:
    """Return the command as on a user's machine, without a configuration."""
    made = Sekisho(tmp_path, server.port, server.metrics_port)
    made.environment = {
        "XDG_CONFIG_HOME": str(tmp_path / "home"),
        "SEKISHO_CONFIG": str(tmp_path / "missing.yaml"),
    }
    return made
