"""A cluster in a network that only outbound connections leave, registered with one kubectl apply.

Its nodes run no containers: the test runs the commands of the manifest's Deployment and Job inside
the cluster's network, with their Secrets as files.
"""

import base64
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from management.kubernetes.manifests import NAMESPACE, REGISTRAR
from proxy.workers.child_process import die_with_parent
from tests.e2e.kubectl_commands import ok
from tests.support.hidden_cluster import POD, HiddenCluster
from tests.support.hidden_cluster import hidden_cluster as hidden_cluster  # a fixture
from tests.support.kubernetes import kubectl, start_kubectl
from tests.support.sekisho import Sekisho, free_port
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
AGENT, JOB = "sekisho-agent", REGISTRAR


@dataclass(frozen=True, slots=True)
class Pods:
    """Runs the containers of an applied manifest as processes inside the cluster's network."""

    cluster: HiddenCluster
    folder: Path
    documents: list[dict[str, object]]

    def mount(self) -> None:
        """Write the Secrets to files, and the Job's account where a Pod has it."""
        for name in (AGENT, JOB):
            (self.folder / name).mkdir()
            secret = self.cluster.kubectl("-n", NAMESPACE, "get", "secret", name, "-o", "json")
            for key, value in json.loads(secret)["data"].items():
                (self.folder / name / key).write_bytes(base64.b64decode(value))
        account = self.folder / "account"
        account.mkdir()
        token = self.cluster.kubectl("-n", NAMESPACE, "create", "token", REGISTRAR)
        (account / "token").write_text(token.strip())
        bundle = ("-n", NAMESPACE, "get", "configmap", "kube-root-ca.crt", "-o", "json")
        (account / "ca.crt").write_text(json.loads(self.cluster.kubectl(*bundle))["data"]["ca.crt"])

    def command(self, kind: str, *more: str) -> list[str]:
        """Return the command of a Deployment's or Job's container, inside the network."""
        [words] = [container_command(one) for one in self.documents if one["kind"] == kind]
        for place, name in (("/etc/sekisho-agent", AGENT), ("/etc/sekisho-registration", JOB)):
            words = [word.replace(place, str(self.folder / name)) for word in words]
        assert words[0] == "sekisho"
        return self.cluster.inside([sys.executable, "-m", "proxy", *words[1:], *more])

    def environment(self, pod: str) -> dict[str, str]:
        """Return the environment that the cluster gives a Pod."""
        host, _, port = self.cluster.api_server.partition(":")
        return {
            **{name: os.environ[name] for name in ("PATH", "HOME")},
            "KUBERNETES_SERVICE_HOST": host,
            "KUBERNETES_SERVICE_PORT": port,
            "POD_NAME": pod,
            "NODE_NAME": "edge-1",
        }


def container_command(document: dict[str, object]) -> list[str]:
    spec = json.loads(json.dumps(document))["spec"]["template"]["spec"]
    command: list[str] = spec["containers"][0]["command"]
    return command


@dataclass(frozen=True, slots=True)
class Edge:
    """A Sekisho with the hidden cluster ``edge``, and its agent's processes."""

    server: Sekisho
    cluster: HiddenCluster
    agents: "list[subprocess.Popen[bytes]]"
    kubeconfig: Path


@pytest.fixture(scope="module")
def edge(hidden_cluster: HiddenCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """Register the cluster by its manifest, with two pods of the agent."""
    folder = tmp_path_factory.mktemp("edge")
    server = Sekisho(folder, free_port(), free_port())
    server.config.write_text(
        f'server: {{listen: "0.0.0.0:{server.port}", '
        f'external_url: "https://{hidden_cluster.gateway}:{server.port}"}}\n'
        f'metrics: {{listen: "127.0.0.1:{server.metrics_port}"}}\n'
        "data_dir: data\nlog: {format: json}\nimages: {registry: registry.example}\n"
    )
    server.start()
    agents: list[subprocess.Popen[bytes]] = []
    try:
        server.create_user("root", "--admin")
        token = server.token("root")
        body = {"name": "edge", "reach": "agent"}
        made = server.request("POST", "/v1/registrations", token=token, body=body)
        assert made.status == 201, made.body
        manifest = made.body.decode()
        hidden_cluster.kubectl("apply", "-f", "-", text=manifest)
        pods = Pods(hidden_cluster, folder, list(yaml.safe_load_all(manifest)))
        pods.mount()
        agents += [started(pods, f"agent-{number}", 8100 + number) for number in (1, 2)]
        done = subprocess.run(
            pods.command("Job", "--service-account", str(folder / "account")),
            env=pods.environment("register"),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert done.returncode == 0, done.stderr + (folder / "agent-1.log").read_text()
        config = folder / "edge.kubeconfig"
        made = server.request("POST", "/v1/clusters/edge/kubeconfig", token=token, body={})
        config.write_bytes(made.body)
        config.chmod(0o600)
        yield Edge(server, hidden_cluster, agents, config)
    finally:
        for one in agents:
            one.kill()
            one.wait(120)
        server.stop()


def started(pods: Pods, name: str, port: int) -> "subprocess.Popen[bytes]":
    with (pods.folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [
                *(*die_with_parent(), "/usr/bin/env"),
                *pods.command("Deployment", "--health-listen", f"127.0.0.1:{port}"),
            ],
            env=pods.environment(name),
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )


def test_server_has_no_way_to_the_cluster_except_the_tunnel(edge: Edge) -> None:
    host, _, port = edge.cluster.api_server.partition(":")
    for address in (host, edge.cluster.address):
        with pytest.raises(OSError):
            socket.create_connection((address, int(port)), 10)
    assert POD in ok(edge.kubeconfig, "get", "pods")


def test_objects_are_changed_and_watched_through_the_tunnel(edge: Edge) -> None:
    with start_kubectl(edge.kubeconfig, "get", "configmaps", "-w", "-o", "name") as watch:
        try:
            assert watch.stdout is not None
            assert watch.stdout.readline().strip() == "configmap/kube-root-ca.crt"
            ok(edge.kubeconfig, "create", "configmap", "seen")
            assert watch.stdout.readline().strip() == "configmap/seen"
        finally:
            watch.terminate()


@pytest.mark.parametrize("websockets", ["true", "false"], ids=["websocket", "spdy"])
def test_exec_passes_three_megabytes_and_the_exit_code(edge: Edge, websockets: str) -> None:
    env = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": websockets}
    big = ("exec", POD, "--", "head", "-c", "3000000", "/dev/zero")
    assert len(ok(edge.kubeconfig, *big, env=env)) == 3_000_000
    done = kubectl(edge.kubeconfig, "exec", POD, "--", "sh", "-c", "exit 42", env=env)
    assert done.returncode == 42


def test_logs_follow_prints_new_lines(edge: Edge) -> None:
    with start_kubectl(edge.kubeconfig, "logs", "-f", POD) as logs:
        try:
            assert logs.stdout is not None
            for line in ("first", "second"):
                with edge.cluster.pod_log.open("a") as file:
                    file.write(f"{line}\n")
                assert logs.stdout.readline() == f"{line}\n"
        finally:
            logs.terminate()


def test_cp_copies_a_file_both_ways(edge: Edge, tmp_path: Path) -> None:
    data = os.urandom(2_000_000)
    (tmp_path / "sent").write_bytes(data)
    ok(edge.kubeconfig, "cp", tmp_path / "sent", f"{POD}:copied")
    ok(edge.kubeconfig, "cp", f"{POD}:copied", tmp_path / "returned")
    assert (tmp_path / "returned").read_bytes() == data


def test_port_forward_carries_bytes_both_ways(edge: Edge, tmp_path: Path) -> None:
    (tmp_path / "page").write_text("from inside")
    inside = edge.cluster.inside(
        [sys.executable, "-um", "http.server", "8077", "--bind", "127.0.0.1", "-d", tmp_path]
    )
    with subprocess.Popen(inside, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as served:
        try:
            # kubectl ends at the first connection that fails inside.
            assert served.stdout is not None
            assert b"Serving" in served.stdout.readline()
            local = free_port()
            with start_kubectl(edge.kubeconfig, "port-forward", POD, f"{local}:8077") as forward:
                try:
                    assert forward.stdout is not None
                    assert "Forwarding" in forward.stdout.readline()
                    assert got(local) == "from inside"
                finally:
                    forward.terminate()
        finally:
            served.terminate()


def got(port: int) -> str:
    """Return the body of ``/page`` at a loopback port."""
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        connection.sendall(b"GET /page HTTP/1.0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return answer.rpartition(b"\r\n\r\n")[2].decode()


def test_reads_succeed_while_one_of_two_agents_is_killed(edge: Edge) -> None:
    token = edge.server.token("root")

    def pods() -> set[str]:
        shown = edge.server.request("GET", "/v1/clusters/edge", token=token).json()
        return {one["pod"] for one in shown["agents"]}

    wait_until(lambda: pods() == {"agent-1", "agent-2"}, what=lambda: f"both agents, of {pods()}")
    edge.agents[0].kill()
    for _ in range(50):
        path = "/k8s/clusters/edge/api/v1/namespaces/default/pods"
        assert edge.server.request("GET", path, token=token).status == 200
