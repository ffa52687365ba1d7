"""Fixtures: a Sekisho process."""

from collections.abc import Iterator

import pytest

from tests.support.edge import OTHER_TOKEN, TOKEN, add_cluster, store_of, target
from tests.support.sekisho import Sekisho, free_port, make_sekisho, running

__all__ = ["OTHER_TOKEN", "TOKEN", "add_cluster", "sekisho", "store_of", "target"]


@pytest.fixture
def sekisho(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    """Run a Sekisho of one process."""
    made = make_sekisho(tmp_path_factory.mktemp("sekisho"), (free_port(), free_port()))
    with running(made):
        yield made
