"""Where proxy.demo.assets looks, and what it says when it finds nothing."""

import re
from pathlib import Path

import pytest

from proxy.demo import assets
from proxy.demo.assets import AssetsMissing, find_assets


def program(directory: Path, name: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_operators_choice_comes_before_path_and_path_before_the_cache(tmp_path: Path) -> None:
    environment = {
        "KUBEBUILDER_ASSETS": str(tmp_path / "chosen"),
        "PATH": str(tmp_path / "path"),
        "SEKISHO_CACHE": str(tmp_path / "cache"),
    }
    cached = assets.cached_programs(environment)
    for directory in (cached, tmp_path / "path", tmp_path / "chosen"):
        expected = program(directory, "kube-apiserver")
        assert find_assets(environment).kube_apiserver == expected


def test_what_cannot_be_run_is_not_found(tmp_path: Path) -> None:
    program(tmp_path, "kubectl").chmod(0o644)
    environment = {"KUBEBUILDER_ASSETS": str(tmp_path), "PATH": "", "SEKISHO_CACHE": "/nowhere"}
    assert find_assets(environment).kubectl is None


def test_another_release_is_taken_from_its_own_cache_only(tmp_path: Path) -> None:
    environment = {
        "KUBEBUILDER_ASSETS": str(tmp_path / "chosen"),
        "PATH": "",
        "SEKISHO_CACHE": str(tmp_path / "cache"),
    }
    for name in ("kube-apiserver", "kubelet-standin"):
        program(tmp_path / "chosen", name)
    found = find_assets(environment, "v1.34.4")
    assert found.kube_apiserver is None
    assert found.kubelet_standin == tmp_path / "chosen" / "kubelet-standin"
    expected = program(assets.cached_programs(environment, "v1.34.4"), "kube-apiserver")
    assert find_assets(environment, "v1.34.4").kube_apiserver == expected


def test_what_is_missing_is_told_with_the_way_to_get_it() -> None:
    found = find_assets({"PATH": "", "SEKISHO_CACHE": "/nowhere"})
    assert "kube-apiserver" in found.missing()
    with pytest.raises(AssetsMissing, match=r"kube-apiserver; run `make kubernetes`"):
        found.path("kube-apiserver")


def test_the_cache_is_that_of_the_pinned_kubernetes() -> None:
    go_mod = Path(__file__).parents[2] / "kubernetes" / "go.mod"
    pinned = re.search(r"^\tk8s\.io/kubernetes (\S+)", go_mod.read_text(), re.MULTILINE)
    assert pinned
    assert pinned[1] == assets.KUBERNETES_VERSION
