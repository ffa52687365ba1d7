"""The kubeconfigs that users get, read back by the real kubectl."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from management.kubeconfig import ClusterEntry, render_kubeconfig
from proxy.demo.assets import Assets

PROD, TEST = ClusterEntry("c-aaaaaaaaaa", "prod"), ClusterEntry("c-bbbbbbbbbb", "test")
URL = "https://sekisho.example.test"


def as_kubectl_reads_it(assets: Assets, text: str, directory: Path) -> dict[str, Any]:
    path = directory / "kubeconfig"
    path.write_text(text)
    kubectl = str(assets.path("kubectl"))
    command = [kubectl, "config", "view", "--raw", "-o", "json", f"--kubeconfig={path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def test_kubectl_reads_a_token(kubernetes_assets: Assets, tmp_path: Path) -> None:
    text = render_kubeconfig(
        external_url=URL, clusters=[PROD], user="alice", token="kubeconfig-a:b", ca_pem="PEM"
    )
    config = as_kubectl_reads_it(kubernetes_assets, text, tmp_path)
    assert config["clusters"][0]["cluster"] == {
        "server": f"{URL}/k8s/clusters/c-aaaaaaaaaa",
        "certificate-authority-data": "UEVN",
    }
    assert config["users"] == [{"name": "alice", "user": {"token": "kubeconfig-a:b"}}]
    assert config["current-context"] == "prod"


def test_kubectl_reads_an_exec_entry(kubernetes_assets: Assets, tmp_path: Path) -> None:
    text = render_kubeconfig(external_url=f"{URL}/", clusters=[PROD], user="alice")
    config = as_kubectl_reads_it(kubernetes_assets, text, tmp_path)
    entry = config["users"][0]["user"]["exec"]
    assert entry["args"] == ["credential", "--server", URL]
    assert (entry["command"], entry["interactiveMode"]) == ("sekisho", "IfAvailable")


def test_several_clusters_are_contexts_of_one_user(
    kubernetes_assets: Assets, tmp_path: Path
) -> None:
    text = render_kubeconfig(
        external_url=URL, clusters=[PROD, TEST], user="alice", token="t", current="test"
    )
    config = as_kubectl_reads_it(kubernetes_assets, text, tmp_path)
    assert [one["name"] for one in config["contexts"]] == ["prod", "test"]
    assert {one["context"]["user"] for one in config["contexts"]} == {"alice"}
    assert config["current-context"] == "test"


def test_without_a_ca_the_system_decides() -> None:
    text = render_kubeconfig(external_url=URL, clusters=[PROD], user="alice", token="t")
    assert "certificate-authority-data" not in text


@pytest.mark.parametrize("name", ["a: b", "true", "null", "0x1", "ümlaut", '"', "*x"])
def test_names_that_mean_something_in_yaml_stay_names(
    kubernetes_assets: Assets, tmp_path: Path, name: str
) -> None:
    text = render_kubeconfig(external_url=URL, clusters=[PROD], user=name, token=name)
    config = as_kubectl_reads_it(kubernetes_assets, text, tmp_path)
    assert config["users"] == [{"name": name, "user": {"token": name}}]


def test_a_kubeconfig_without_clusters_is_none() -> None:
    with pytest.raises(ValueError):
        render_kubeconfig(external_url=URL, clusters=[], user="alice", token="t")
