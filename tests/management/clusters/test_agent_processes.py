"""A cluster whose only way to Sekisho is its agent: the commands of its manifest, as processes."""

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from management.kubernetes.manifests import REGISTRAR, token_path
from proxy.workers.child_process import die_with_parent
from tests.management.conftest import OwnCluster
from tests.support.kubernetes import kubectl
from tests.support.sekisho import Sekisho, free_port, make_sekisho, running
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[3]


class EdgeCluster:
    """The cluster, and what would run in it if it had nodes."""

    def __init__(self, cluster: OwnCluster, server: Sekisho, folder: Path) -> None:
        self.cluster = cluster
        self.server = server
        self.folder = folder
        self.documents: list[dict[str, Any]] = []

    def apply(self, manifest: str) -> None:
        """Apply a manifest, and put the Secrets where pods would mount them."""
        file = self.folder / "manifest.yaml"
        file.write_text(manifest)
        done = kubectl(self.cluster.admin_kubeconfig, "apply", "-f", str(file))
        assert done.returncode == 0, done.stderr
        self.documents = list(yaml.safe_load_all(manifest))
        for name in ("sekisho-agent", REGISTRAR):
            path = f"/api/v1/namespaces/sekisho-system/secrets/{name}"
            mount = self.folder / name
            mount.mkdir(exist_ok=True)
            for key, value in self.cluster.ask("GET", path)["data"].items():
                (mount / key).write_bytes(base64.b64decode(value))
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        token = self.cluster.ask("POST", token_path(REGISTRAR), request)["status"]["token"]
        (self.folder / REGISTRAR / "token").write_text(token)
        (self.folder / REGISTRAR / "server-ca.crt").write_bytes(
            (self.folder / REGISTRAR / "ca.crt").read_bytes()
        )

    def command(self, kind: str) -> list[str]:
        """Return the command of the pods of a Deployment or Job, with paths of this machine."""
        [found] = [one for one in self.documents if one["kind"] == kind]
        [container] = found["spec"]["template"]["spec"]["containers"]
        mounts = {
            "/etc/sekisho-agent": str(self.folder / "sekisho-agent"),
            "/etc/sekisho-registration/ca.crt": str(self.folder / REGISTRAR / "server-ca.crt"),
            "/etc/sekisho-registration": str(self.folder / REGISTRAR),
        }
        words: list[str] = container["command"][1:]
        for path, here in mounts.items():
            words = [word.replace(path, here) for word in words]
        return words

    def start_agent(self, name: str) -> "subprocess.Popen[bytes]":
        """Start a pod of the Deployment."""
        log = (self.folder / f"{name}.log").open("wb")
        host, _, port = self.cluster.servers[0].removeprefix("https://").partition(":")
        with log:
            return subprocess.Popen(
                [
                    *(*die_with_parent(), sys.executable, "-m", "proxy"),
                    *self.command("Deployment"),
                    *("--health-listen", f"127.0.0.1:{free_port()}"),
                ],
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env={
                    **{name: os.environ[name] for name in ("PATH", "HOME")},
                    "KUBERNETES_SERVICE_HOST": host,
                    "KUBERNETES_SERVICE_PORT": port,
                    "POD_NAME": name,
                    "NODE_NAME": "node-1",
                },
            )

    def agent_log(self, name: str) -> str:
        """Return what a pod of the Deployment has logged."""
        return (self.folder / f"{name}.log").read_text()

    def register(self) -> str:
        """Run the command of the Job. Return what it prints."""
        account = str(self.folder / REGISTRAR)
        (self.folder / REGISTRAR / "ca.crt").write_bytes(self.cluster.ca_pem)
        host, _, port = self.cluster.servers[0].removeprefix("https://").partition(":")
        self.server.environment |= {
            "KUBERNETES_SERVICE_HOST": host,
            "KUBERNETES_SERVICE_PORT": port,
        }
        done = self.server.run(*self.command("Job"), "--service-account", account, check=False)
        return done.stdout + done.stderr


@pytest.fixture
def edge(clean: OwnCluster, tmp_path: Path) -> Iterator[EdgeCluster]:
    """A running Sekisho, which nothing but an agent connects with the cluster."""
    server = make_sekisho(tmp_path, (free_port(), free_port()))
    with running(server):
        server.create_user("root", "--admin")
        yield EdgeCluster(clean, server, tmp_path)


def test_cluster_is_registered_used_and_removed_through_its_agent(edge: EdgeCluster) -> None:
    server = edge.server
    token = server.token("root")
    body = {"name": "edge", "reach": "agent"}
    created = server.request("POST", "/v1/registrations", token=token, body=body)
    assert created.status == 201, created.body
    edge.apply(created.body.decode())
    agent = edge.start_agent("agent-1")
    try:
        printed = edge.register()
        assert f"registered with {server.url}" in printed, edge.agent_log("agent-1")
        shown = server.request("GET", "/v1/clusters/edge", token=token).json()
        assert (shown["pending_until"], shown["reach"]) == (None, "agent")
        assert {(one["pod"], one["node"]) for one in shown["agents"]} == {("agent-1", "node-1")}
        made = server.request("POST", "/v1/clusters/edge/kubeconfig", token=token, body={})
        config = edge.folder / "edge.kubeconfig"
        config.write_bytes(made.body)
        config.chmod(0o600)
        for words in (("get", "namespaces"), ("auth", "whoami"), ("create", "configmap", "made")):
            done = kubectl(config, *words)
            assert done.returncode == 0, done.stderr
        assert server.request("DELETE", "/v1/clusters/edge", token=token).status == 204
        namespace = edge.cluster.ask("GET", "/api/v1/namespaces/sekisho-system")
        assert "deletionTimestamp" in namespace["metadata"]
        wait_until(lambda: "not valid" in edge.agent_log("agent-1"), 120)
    finally:
        agent.terminate()
        agent.wait(120)
