"""Kubeconfigs for users, read by the real kubectl."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from management.clusters.kubeconfig import ClusterEntry, render_kubeconfig
from proxy.demo.binaries import Binaries

PROD, TEST = ClusterEntry("c-aaaaaaaaaa", "prod"), ClusterEntry("c-bbbbbbbbbb", "test")
URL = "https://sekisho.example.test"


def as_kubectl_reads_it(assets: Binaries, text: str, directory: Path) -> dict[str, Any]:
    path = directory / "kubeconfig"
    path.write_text(text)
    kubectl = str(assets.path("kubectl"))
    command = [kubectl, "config", "view", "--raw", "-o", "json", f"--kubeconfig={path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def test_kubectl_reads_a_kubeconfig_with_a_token(
    kubernetes_assets: Binaries, tmp_path: Path
) -> None:
    text = render_kubeconfig(
        external_url=URL, clusters=[PROD], user="alice", token="kubeconfig-a:b", ca_pem="PEM"
    )
    config = as_kubectl_reads_it(kubernetes_assets, text, tmp_path)
    assert config["clusters"][0]["cluster"] == {
        "server": f"{URL}/k8s/clusters/c-aaaaaaaaaa",
        "certificate-authority-data": "UEVN",
    }
    name = "alice/prod@sekisho.example.test"
    assert config["users"] == [{"name": name, "user": {"token": "kubeconfig-a:b"}}]
    assert config["current-context"] == "prod@sekisho.example.test"


def test_kubectl_reads_a_kubeconfig_with_an_exec_entry(
    kubernetes_assets: Binaries, tmp_path: Path
) -> None:
    text = render_kubeconfig(external_url=f"{URL}/", clusters=[PROD], user="alice")
    config = as_kubectl_reads_it(kubernetes_assets, text, tmp_path)
    entry = config["users"][0]["user"]["exec"]
    assert entry["args"] == ["credential", "--server", URL]
    assert (entry["command"], entry["interactiveMode"]) == ("sekisho", "IfAvailable")


def test_several_clusters_are_contexts_of_one_kubeconfig(
    kubernetes_assets: Binaries, tmp_path: Path
) -> None:
    text = render_kubeconfig(
        external_url=URL, clusters=[PROD, TEST], user="alice", token="t", current="test"
    )
    config = as_kubectl_reads_it(kubernetes_assets, text, tmp_path)
    assert [one["name"] for one in config["contexts"]] == [
        "prod@sekisho.example.test",
        "test@sekisho.example.test",
    ]
    assert config["current-context"] == "test@sekisho.example.test"


def test_merged_kubeconfigs_of_one_user_hide_no_entry(
    kubernetes_assets: Binaries, tmp_path: Path
) -> None:
    """rancher#19342: the first file's user was used for every cluster."""
    files: dict[str, tuple[str, str]] = {}
    for url in (URL, "https://other.example.test:8443"):
        for cluster in (PROD, TEST):
            token = f"token of {cluster.name} at {url}"
            path = tmp_path / f"{len(files)}.yaml"
            path.write_text(
                render_kubeconfig(external_url=url, clusters=[cluster], user="alice", token=token)
            )
            files[str(path)] = (f"{url}/k8s/clusters/{cluster.id}", token)
    kubectl = str(kubernetes_assets.path("kubectl"))
    for order in (list(files), list(reversed(files))):
        done = subprocess.run(
            [kubectl, "config", "view", "--raw", "-o", "json"],
            env={"KUBECONFIG": ":".join(order)},
            capture_output=True,
            text=True,
            check=True,
        )
        merged = json.loads(done.stdout)
        users = {one["name"]: one["user"]["token"] for one in merged["users"]}
        servers = {one["name"]: one["cluster"]["server"] for one in merged["clusters"]}
        reached = {
            (servers[one["context"]["cluster"]], users[one["context"]["user"]])
            for one in merged["contexts"]
        }
        assert reached == set(files.values())


def test_without_a_ca_the_system_decides() -> None:
    text = render_kubeconfig(external_url=URL, clusters=[PROD], user="alice", token="t")
    assert "certificate-authority-data" not in text


@pytest.mark.parametrize("name", ["a: b", "true", "null", "0x1", "ümlaut", '"', "*x"])
def test_names_with_a_meaning_in_yaml_are_quoted(
    kubernetes_assets: Binaries, tmp_path: Path, name: str
) -> None:
    text = render_kubeconfig(external_url=URL, clusters=[PROD], user=name, token=name)
    config = as_kubectl_reads_it(kubernetes_assets, text, tmp_path)
    entry = f"{name}/prod@sekisho.example.test"
    assert config["users"] == [{"name": entry, "user": {"token": name}}]


def test_kubeconfig_without_clusters_is_rejected() -> None:
    with pytest.raises(ValueError):
        render_kubeconfig(external_url=URL, clusters=[], user="alice", token="t")
