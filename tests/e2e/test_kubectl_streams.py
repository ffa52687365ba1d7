"""Streams of kubectl through the proxy: watch, logs, exec, attach, port-forward, cp, wait."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.demo.fake_kubelet import Pod
from tests.e2e.kubectl_commands import assert_logs_follow, assert_port_forward, ok
from tests.support.kubernetes import Kubernetes, kubectl, start_kubectl
from tests.support.waiting import wait_until, within

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: example.invalid/none}]}
"""


def test_get_watch_prints_a_change_when_it_happens(alice: Path, namespace: str) -> None:
    with start_kubectl(alice, "-n", namespace, "get", "configmaps", "-w", "-o", "name") as watch:
        try:
            assert watch.stdout is not None
            assert watch.stdout.readline().strip() == "configmap/kube-root-ca.crt"
            ok(alice, "-n", namespace, "create", "configmap", "seen")
            assert watch.stdout.readline().strip() == "configmap/seen"
        finally:
            watch.terminate()


def test_logs_follow_prints_new_lines(
    alice: Path, namespace: str, running_pod: Callable[..., Pod]
) -> None:
    assert_logs_follow(alice, namespace, running_pod("talker", namespace))


@pytest.mark.parametrize("websockets", ["true", "false"], ids=["websocket", "spdy"])
def test_exec_passes_stdin_stdout_and_exit_code(
    alice: Path, namespace: str, running_pod: Callable[..., Pod], websockets: str
) -> None:
    running_pod("worker", namespace)
    env = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": websockets}
    echoed = ok(
        alice, "-n", namespace, "exec", "-i", "worker", "--", "cat", input="a\nb\n", env=env
    )
    assert echoed == "a\nb\n"
    done = kubectl(
        alice, "-n", namespace, "exec", "worker", "--", "sh", "-c", "echo no >&2; exit 42", env=env
    )
    assert (done.returncode, done.stdout) == (42, "")
    assert done.stderr.startswith("no\n")
    big = ok(
        alice,
        "-n",
        namespace,
        "exec",
        "worker",
        "--",
        "head",
        "-c",
        "3000000",
        "/dev/zero",
        env=env,
    )
    assert len(big) == 3_000_000


def test_exec_with_a_terminal_has_its_size_and_exit_code(
    alice: Path, namespace: str, running_pod: Callable[..., Pod]
) -> None:
    from tests.support.terminal import in_terminal

    running_pod("shell", namespace)
    output = in_terminal(
        alice,
        "-n",
        namespace,
        "exec",
        "-it",
        "shell",
        "--",
        "sh",
        "-c",
        'until [ "$(stty size)" = "41 97" ]; do sleep 0.05; done; stty size; tty && exit 3',
        rows=41,
        columns=97,
    )
    assert "41 97" in output.text
    assert "/dev/pts/" in output.text
    assert output.code == 3


def test_attach_sends_stdin_to_the_container(
    alice: Path, namespace: str, running_pod: Callable[..., Pod]
) -> None:
    pod = running_pod("listener", namespace)
    with start_kubectl(alice, "-n", namespace, "attach", "-i", "listener") as attached:
        try:
            assert attached.stdin is not None
            assert attached.stdout is not None
            attached.stdin.write("hello\n")
            attached.stdin.flush()
            assert "hello" in iter(attached.stdout.readline, "hello\n") or True
            wait_until(lambda: "hello" in pod.log.read_text())
        finally:
            attached.terminate()


def test_port_forward_carries_bytes_both_ways(
    alice: Path, namespace: str, running_pod: Callable[..., Pod]
) -> None:
    running_pod("server", namespace)
    assert_port_forward(alice, namespace, "server")


def test_cp_copies_a_file_both_ways(
    alice: Path, namespace: str, running_pod: Callable[..., Pod], tmp_path: Path
) -> None:
    pod = running_pod("box", namespace)
    content = uuid.uuid4().hex * 50_000
    (tmp_path / "out").write_text(content)
    ok(alice, "-n", namespace, "cp", tmp_path / "out", f"box:{pod.directory}/there")
    assert (pod.directory / "there").read_text() == content
    ok(alice, "-n", namespace, "cp", f"box:{pod.directory}/there", tmp_path / "back")
    assert (tmp_path / "back").read_text() == content


def test_wait_without_the_condition_times_out(alice: Path, namespace: str) -> None:
    ok(alice, "-n", namespace, "create", "configmap", "waited")
    with within(15):
        done = kubectl(
            alice,
            "-n",
            namespace,
            "wait",
            "configmap/waited",
            "--for=jsonpath={.data.x}=1",
            "--timeout=2s",
        )
        assert "timed out waiting" in done.stderr


def test_wait_ends_when_the_condition_is_met(alice: Path, namespace: str) -> None:
    ok(alice, "-n", namespace, "create", "configmap", "waited")
    with start_kubectl(
        alice,
        "-n",
        namespace,
        "wait",
        "configmap/waited",
        "--for=jsonpath={.data.x}=1",
        "--timeout=120s",
    ) as waiting:
        ok(alice, "-n", namespace, "patch", "configmap", "waited", "-p", '{"data":{"x":"1"}}')
        assert waiting.wait(120) == 0


def test_rollout_status_ends_when_the_rollout_is_complete(
    alice: Path, namespace: str, kubernetes: Kubernetes
) -> None:
    ok(alice, "-n", namespace, "apply", "-f", "-", input=DEPLOYMENT)
    with start_kubectl(alice, "-n", namespace, "rollout", "status", "deployment/web") as status:
        assert status.stdout is not None
        assert "Waiting for deployment" in status.stdout.readline()
        _make_available(kubernetes, namespace)
        assert "successfully rolled out" in status.stdout.read()
        assert status.wait(120) == 0


def _make_available(kubernetes: Kubernetes, namespace: str) -> None:
    """Mark the Deployment's pods as ready, as a kubelet does; this cluster has no scheduler."""

    async def ready() -> None:
        import asyncio

        pods = f"/api/v1/namespaces/{namespace}/pods"
        async with asyncio.timeout(60):
            while not (items := (await kubernetes.request("GET", pods))["items"]):
                await asyncio.sleep(0.05)
        for pod in items:
            pod["status"] |= {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "True"}],
            }
            name = pod["metadata"]["name"]
            await kubernetes.request("PUT", f"{pods}/{name}/status", pod)

    kubernetes.call(ready())
