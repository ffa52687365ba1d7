"""The demo as a new user runs it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxy.demo.binaries import Binaries
from proxy.workers.child_process import die_with_parent
from tests.support.kubernetes import kubectl
from tests.support.waiting import wait_until

CHECKOUT = Path(__file__).parents[3]


@contextmanager
def demo(folder: Path, *options: str, **environment: str) -> Iterator[str]:
    """Run the demo; yield its output up to the suggested commands; end it with Ctrl-C."""
    out = folder / "out.log"
    with out.open("w") as stream:
        process = subprocess.Popen(
            [*die_with_parent(), sys.executable, "-m", "proxy", "demo", *options],
            stdout=stream,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT), **environment},
        )
    try:
        wait_until(
            lambda: process.poll() is not None or "api-resources" in out.read_text(),
            280,
            out.read_text,
        )
        assert process.poll() is None, out.read_text()
        yield out.read_text()
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0, out.read_text()
    assert "everything that the demo created is removed" in out.read_text()
    assert [one.name for one in folder.iterdir() if "kubectl" not in one.name] == ["out.log"]


def test_demo_with_kubernetes_binaries_uses_a_real_cluster(
    tmp_path: Path, kubernetes_assets: Binaries
) -> None:
    with demo(tmp_path) as printed:
        assert "starting a real kube-apiserver" in printed
        assert "through the proxy, as u-" in printed
        assert "FAKE API server" not in printed
        config = tmp_path / "demo.kubeconfig"
        assert config.stat().st_mode & 0o777 == 0o600
        assert "default" in kubectl(config, "get", "namespaces").stdout


def test_demo_with_an_agent_sends_requests_through_its_tunnels(
    tmp_path: Path, kubernetes_assets: Binaries
) -> None:
    with demo(tmp_path, "--agent") as printed:
        assert "an agent connects the cluster" in printed
        assert "through the proxy, as u-" in printed
        config = tmp_path / "demo.kubeconfig"
        assert "default" in kubectl(config, "get", "namespaces").stdout


def test_demo_without_kubernetes_binaries_announces_a_fake_api_server(tmp_path: Path) -> None:
    with demo(tmp_path, SEKISHO_CACHE="/nonexistent", KUBEBUILDER_ASSETS="", PATH="/none") as out:
        assert "FAKE API server" in out
        assert "make kubernetes" in out
        assert "through the proxy, as u-" in out


@pytest.mark.usefixtures("kubernetes_assets")
def test_kubectl_works_with_the_fake_api_server(tmp_path: Path) -> None:
    manifest = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"hello"},"data":{"a":"b"}}'
    with demo(tmp_path, SEKISHO_CACHE="/nonexistent", KUBEBUILDER_ASSETS="", PATH="/none"):
        config = tmp_path / "demo.kubeconfig"
        assert "default" in kubectl(config, "get", "namespaces").stdout
        assert "alice" in kubectl(config, "auth", "whoami").stdout
        applied = kubectl(
            config, "apply", "--validate=false", "--server-side", "-f", "-", input=manifest
        )
        assert applied.returncode == 0, applied.stderr
        assert "hello" in kubectl(config, "get", "configmaps").stdout
        assert kubectl(config, "delete", "configmap", "hello").returncode == 0


def test_demo_with_its_port_in_use_takes_another(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 8443), reuse_port=True) as taken:
        assert taken.getsockname()[1] == 8443
        with demo(tmp_path, SEKISHO_CACHE="/nonexistent", PATH="/none") as printed:
            assert "https://127.0.0.1:8443" not in printed
