"""Fixtures: an authority, and the files of a certificate that it signed."""

from datetime import timedelta
from pathlib import Path

import pytest

from proxy.transport.certificates import KeyPair, create_authority
from tests.proxy.transport.tls_listener import NOW, ConfiguredFiles


@pytest.fixture(scope="module")
def authority() -> KeyPair:
    return create_authority("corp", lifetime=timedelta(days=9), now=NOW)


@pytest.fixture
def files(tmp_path: Path, authority: KeyPair) -> ConfiguredFiles:
    return ConfiguredFiles(tmp_path, authority)
