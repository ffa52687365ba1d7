"""The recipe for k9s (docs/recipes/k9s.md), with the real one on a terminal."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.demo.fake_kubelet import Pod
from tests.support.go_programs import K9S, built, on_request
from tests.support.page_session import ROOT
from tests.support.sekisho import SekishoWithUsers
from tests.support.typed import TypedCommand

pytestmark = [on_request, pytest.mark.timeout(3600)]

RECIPE = ROOT / "docs" / "recipes" / "k9s.md"


def test_recipe_names_the_version_that_is_tried() -> None:
    assert K9S.version in RECIPE.read_text()


@pytest.mark.parametrize("user", ["alice", "carol"])
def test_k9s_shows_the_pods_of_a_namespace(
    proxy: SekishoWithUsers,
    namespace: str,
    running_pod: Callable[..., Pod],
    tmp_path: Path,
    user: str,
) -> None:
    running_pod("worker", namespace)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "KUBECONFIG": str(proxy.configs[user]),
        "LANG": "C.UTF-8",
    }
    k9s = f"stty rows 40 cols 160; exec {built(K9S, 'k9s')} -n {namespace} -c pods"
    shown = TypedCommand(["/bin/bash", "-c", k9s], environment)
    shown.expect("worker")
    shown.expect("Running")
    shown.type(":quit\r")
    assert shown.end(again=":quit\r") == 0
