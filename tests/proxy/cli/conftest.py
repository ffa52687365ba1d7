"""Fixtures: the command line with a configuration."""

from pathlib import Path

import pytest

from tests.support.sekisho import Sekisho, make_sekisho


@pytest.fixture
def sekisho(tmp_path: Path) -> Sekisho:
    return make_sekisho(tmp_path, (1, 2))
