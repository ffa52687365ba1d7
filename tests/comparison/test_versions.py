"""The matrix names only versions that can be built."""

import re
from pathlib import Path

import pytest

from proxy.demo.binaries import KUBERNETES_VERSION
from tests.comparison.versions import MATRIX

MODULE = Path(__file__).parents[1] / "kubernetes"


@pytest.mark.parametrize("version", sorted({v for m in MATRIX for v in (m.api_server, m.kubectl)}))
def test_each_version_is_pinned(version: str) -> None:
    newest = version == KUBERNETES_VERSION
    mod = MODULE / ("go.mod" if newest else f"{version.rpartition('.')[0]}.mod")
    assert re.search(rf"k8s\.io/kubernetes {re.escape(version)}$", mod.read_text(), re.MULTILINE)
    assert mod.with_suffix(".sum").exists()


def test_matrix_starts_with_newest_and_contains_two_minors_older() -> None:
    minors = [int(pair.api_server.split(".")[1]) for pair in MATRIX]
    assert minors[0] == max(minors)
    assert minors[0] - 2 in minors
