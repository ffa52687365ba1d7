"""Where proxy.demo.binaries searches programs, and its message when they are missing."""

import re
from pathlib import Path

import pytest

from proxy.demo import binaries
from proxy.demo.binaries import BinariesMissing, find_assets


def program(directory: Path, name: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_configured_folder_precedes_path_and_path_precedes_the_cache(tmp_path: Path) -> None:
    environment = {
        "KUBEBUILDER_ASSETS": str(tmp_path / "chosen"),
        "PATH": str(tmp_path / "path"),
        "SEKISHO_CACHE": str(tmp_path / "cache"),
    }
    cached = binaries.cached_programs(environment)
    for directory in (cached, tmp_path / "path", tmp_path / "chosen"):
        expected = program(directory, "kube-apiserver")
        assert find_assets(environment).kube_apiserver == expected


def test_file_that_is_not_executable_is_not_found(tmp_path: Path) -> None:
    program(tmp_path, "kubectl").chmod(0o644)
    environment = {"KUBEBUILDER_ASSETS": str(tmp_path), "PATH": "", "SEKISHO_CACHE": "/nowhere"}
    assert find_assets(environment).kubectl is None


def test_programs_of_another_release_are_found_in_its_cache_only(tmp_path: Path) -> None:
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
    expected = program(binaries.cached_programs(environment, "v1.34.4"), "kube-apiserver")
    assert find_assets(environment, "v1.34.4").kube_apiserver == expected


def test_missing_program_is_reported_with_the_command_to_build_it() -> None:
    found = find_assets({"PATH": "", "SEKISHO_CACHE": "/nowhere"})
    assert "kube-apiserver" in found.missing()
    with pytest.raises(BinariesMissing, match=r"kube-apiserver; run `make kubernetes`"):
        found.path("kube-apiserver")


def test_cache_belongs_to_the_pinned_kubernetes_version() -> None:
    go_mod = Path(__file__).parents[2] / "kubernetes" / "go.mod"
    pinned = re.search(r"^\tk8s\.io/kubernetes (\S+)", go_mod.read_text(), re.MULTILINE)
    assert pinned
    assert pinned[1] == binaries.KUBERNETES_VERSION
