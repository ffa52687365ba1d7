"""The cluster of tests and demo with a real API server, and real kubectl on its pods."""

import json
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import kubernetes as kubernetes_client
import pytest

from proxy.demo.binaries import find_assets
from proxy.demo.fake_kubelet import Pod
from proxy.demo.local_cluster import LocalCluster
from proxy.demo.processes import ComponentError
from tests.support.kubernetes import Kubernetes, kubectl, kubectl_command, start_kubectl
from tests.support.log_lines import events_of
from tests.support.waiting import wait_until

SECONDS = 120.0
"""Limit on what takes a moment, for tests that hang."""


@pytest.fixture
def admin(kubernetes: Kubernetes) -> Path:
    return kubernetes.admin_kubeconfig


@pytest.fixture
def pod(running_pod: Callable[..., Pod], namespace: str) -> Pod:
    return running_pod("web", namespace)


@contextmanager
def following(admin: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run kubectl until the end of the block."""
    with start_kubectl(admin, *arguments) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    """Return the next line that ``process`` prints; the test's timeout ends the wait."""
    assert process.stdout
    return process.stdout.readline().rstrip("\n")


def test_version_is_that_of_the_started_cluster(kubernetes: Kubernetes, admin: Path) -> None:
    done = kubectl(admin, "version", "-o", "json")
    assert json.loads(done.stdout)["serverVersion"]["gitVersion"] == kubernetes.version
    assert kubernetes.version.startswith("v1.")


def test_namespace_gets_a_service_account_and_can_be_deleted(admin: Path, namespace: str) -> None:
    done = kubectl(admin, "get", "serviceaccounts", "-n", namespace, "-o", "name")
    assert done.stdout == "serviceaccount/default\n"
    done = kubectl(admin, "delete", "namespace", namespace, "--timeout=120s")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("role", ["admin", "edit", "view"])
def test_default_cluster_roles_have_rules(admin: Path, role: str) -> None:
    done = kubectl(admin, "get", "clusterrole", role, "-o", "json")
    assert len(json.loads(done.stdout)["rules"]) > 5


def test_audit_log_contains_a_completed_request(kubernetes: Kubernetes, admin: Path) -> None:
    kubectl(admin, "get", "configmaps", "-n", "only-in-this-test", "--as=alice")
    events = events_of(kubernetes.audit_log().read_text())
    found = [event for event in events if "only-in-this-test" in event["requestURI"]]
    assert [event["impersonatedUser"]["username"] for event in found] == ["alice"]


@pytest.mark.parametrize("websocket", ["true", "false"])
def test_exec_passes_input_output_and_exit_code(admin: Path, pod: Pod, websocket: str) -> None:
    command = ("exec", "-i", "-n", pod.namespace, pod.name, "--", "sh", "-c")
    done = kubectl(
        admin,
        *command,
        "cat; echo oops >&2; exit 7",
        input="hello\n",
        env={"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": websocket},
    )
    assert done.stdout == "hello\n"
    # kubectl may log before that it dropped data for a stream that was closed already.
    errors = [line for line in done.stderr.splitlines() if "websocket.go" not in line]
    assert errors[0] == "oops"
    assert done.returncode == 7


def test_exec_by_the_websocket_protocol_of_the_node_succeeds(admin: Path, pod: Pod) -> None:
    client = kubernetes_client.config.new_client_from_config(str(admin))  # type: ignore[no-untyped-call]
    response = kubernetes_client.stream.stream(
        kubernetes_client.client.CoreV1Api(client).connect_get_namespaced_pod_exec,
        pod.name,
        pod.namespace,
        command=["sh", "-c", "echo $HOSTNAME; exit 3"],
        stdout=True,
        stderr=True,
        _preload_content=False,
    )
    response.run_forever(timeout=SECONDS)
    assert response.read_stdout() == "web\n"
    assert response.returncode == 3


def test_exec_on_a_terminal_has_its_size(admin: Path, pod: Pod) -> None:
    # kubectl sends the size when the command runs already.
    shown = 'until [ "$(stty size)" = "33 99" ]; do sleep 0.05; done; tty; stty size'
    inner = kubectl_command(admin, "exec", "-it", "-n", pod.namespace, pod.name, "--")
    inner += ["sh", "-c", shown]
    outer = "stty rows 33 cols 99; " + shlex.join(inner)
    done = subprocess.run(
        ["script", "--quiet", "--return", "--command", outer, "/dev/null"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "/dev/pts/" in done.stdout
    assert "33 99" in done.stdout


def test_logs_follow_prints_later_lines(admin: Path, pod: Pod) -> None:
    pod.say("before")
    with following(admin, "logs", "-f", "-n", pod.namespace, pod.name) as process:
        assert line(process) == "before"
        pod.say("after")
        assert line(process) == "after"


def test_logs_tail_prints_the_last_lines(admin: Path, pod: Pod) -> None:
    for word in ("one", "two", "three"):
        pod.say(word)
    done = kubectl(admin, "logs", "--tail=2", "-n", pod.namespace, pod.name)
    assert done.stdout == "two\nthree\n"


def test_attach_prints_its_input(admin: Path, pod: Pod) -> None:
    done = kubectl(admin, "attach", "-i", "-n", pod.namespace, pod.name, input="typed\n")
    assert "typed\n" in done.stdout
    assert pod.log.read_text() == "typed\n"


def test_port_forward_carries_bytes_both_ways(admin: Path, pod: Pod) -> None:
    with socket.create_server(("127.0.0.1", 0)) as inside:
        ports = f":{inside.getsockname()[1]}"
        with following(admin, "port-forward", "-n", pod.namespace, pod.name, ports) as process:
            outside = int(line(process).partition(" -> ")[0].rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", outside), SECONDS) as client:
                client.sendall(b"ping")
                server, _ = inside.accept()
                with server:
                    assert server.recv(4) == b"ping"
                    server.sendall(b"pong")
                assert client.recv(4) == b"pong"


def test_cp_copies_a_file_there_and_back(admin: Path, pod: Pod, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096
    (tmp_path / "there").write_bytes(content)
    inside = f"{pod.namespace}/{pod.name}:copied"
    done = kubectl(admin, "cp", tmp_path / "there", inside)
    assert done.returncode == 0, done.stderr
    assert (pod.directory / "copied").read_bytes() == content
    done = kubectl(admin, "cp", inside, tmp_path / "back")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "back").read_bytes() == content


async def test_stopped_api_server_can_be_started_again(
    tmp_path: Path, kubernetes: Kubernetes
) -> None:
    async with LocalCluster(tmp_path, api_servers=2, controllers=False) as cluster:
        await cluster.stop_api_server(1, kill=True)
        host, port = cluster.servers[1].removeprefix("https://").split(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)))
        await cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": "made"}})
        await cluster.start_api_server(1)
        found = await cluster.request("GET", "/api/v1/namespaces/made", number=1)
        assert found["metadata"]["name"] == "made"


async def test_failed_start_reports_the_log_and_leaves_no_process(
    tmp_path: Path, kubernetes: Kubernetes
) -> None:
    assets = find_assets()
    refusing = tmp_path / "kube-apiserver"
    program = assets.path("kube-apiserver")
    refusing.write_text(f'#!/bin/sh\nexec {program} "$@" --service-cluster-ip-range=nonsense\n')
    refusing.chmod(0o700)
    cluster = LocalCluster(tmp_path, assets=replace(assets, kube_apiserver=refusing))
    with pytest.raises(ComponentError, match=r"(?s)kube-apiserver ended.*service-cluster-ip-range"):
        await cluster.__aenter__()
    assert processes_below(tmp_path) == []


def test_killed_parent_leaves_no_process(tmp_path: Path, kubernetes: Kubernetes) -> None:
    source = (
        "import asyncio, pathlib, sys\n"
        "from proxy.demo.local_cluster import LocalCluster\n"
        "async def main():\n"
        "    async with LocalCluster(pathlib.Path(sys.argv[1]), controllers=False):\n"
        "        print('up', flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", source, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert line(parent) == "up"
        assert processes_below(tmp_path)
        parent.kill()
    wait_until(lambda: not processes_below(tmp_path), SECONDS, "the end of the processes")


def processes_below(directory: Path) -> list[str]:
    """Return the processes whose command line names the directory."""
    done = subprocess.run(
        ["pgrep", "-f", "--", f"(etcd|kube-apiserver) .*{directory}"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.split()
