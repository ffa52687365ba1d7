"""kubectl commands that must succeed."""

from pathlib import Path

import pytest

from tests.support.kubernetes import kubectl
from tests.support.sekisho import SekishoWithUsers


@pytest.fixture
def alice(proxy: SekishoWithUsers) -> Path:
    return proxy.configs["alice"]


def ok(kubeconfig: Path, *arguments: str | Path, **options: object) -> str:
    """Run kubectl, assert that it succeeds, and return its output."""
    done = kubectl(kubeconfig, *arguments, **options)  # type: ignore[arg-type]
    assert done.returncode == 0, done.stderr
    return done.stdout
