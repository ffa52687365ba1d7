"""Real kubectl, through the gate, against a real kube-apiserver."""

import json
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from proxy.demo.kubelet import Pod
from tests.parts.kubernetes import Kubernetes, kubectl, start_kubectl
from tests.parts.sekisho import Gate
from tests.parts.waiting import until

MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}}}
data: {{key: "{value}"}}
"""

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


@pytest.fixture
def alice(gate: Gate) -> Path:
    return gate.configs["alice"]


def ok(kubeconfig: Path, *arguments: str | Path, **options: object) -> str:
    """What kubectl printed; fails the test where it failed."""
    done = kubectl(kubeconfig, *arguments, **options)  # type: ignore[arg-type]
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_whoami_is_the_person_not_the_service_account(gate: Gate, alice: Path) -> None:
    review = json.loads(ok(alice, "auth", "whoami", "-o", "json"))
    info = review["status"]["userInfo"]
    user = gate.users["alice"]
    assert info["username"] == user
    assert info["uid"] == user
    assert set(info["groups"]) == {"system:authenticated", "sekisho:authenticated"}
    assert info["extra"]["username"] == ["alice"]
    assert info["extra"]["principalid"] == [f"local://{user}"]
    assert re.fullmatch(r"[0-9a-f]{12}-[0-9a-f]{8}", info["extra"]["requestid"][0])


def test_create_get_describe_patch_and_delete(alice: Path, namespace: str) -> None:
    ok(alice, "-n", namespace, "create", "configmap", "one", "--from-literal=key=1")
    assert (
        ok(alice, "-n", namespace, "get", "configmap", "one", "-o", "jsonpath={.data.key}") == "1"
    )
    assert "one" in ok(alice, "-n", namespace, "get", "configmaps")
    assert "key:" in ok(alice, "-n", namespace, "describe", "configmap", "one")
    ok(alice, "-n", namespace, "patch", "configmap", "one", "-p", '{"data":{"key":"2"}}')
    assert (
        ok(alice, "-n", namespace, "get", "configmap", "one", "-o", "jsonpath={.data.key}") == "2"
    )
    ok(alice, "-n", namespace, "delete", "configmap", "one")
    assert kubectl(alice, "-n", namespace, "get", "configmap", "one").returncode == 1


@pytest.mark.parametrize("options", [(), ("--server-side",)], ids=["client-side", "server-side"])
def test_apply(alice: Path, namespace: str, options: tuple[str, ...]) -> None:
    for value in ("1", "2"):
        manifest = MAP.format(name="applied", value=value)
        ok(alice, "-n", namespace, "apply", *options, "-f", "-", input=manifest)
    found = ok(alice, "-n", namespace, "get", "configmap", "applied", "-o", "jsonpath={.data.key}")
    assert found == "2"


def test_get_watch_shows_a_change_when_it_happens(alice: Path, namespace: str) -> None:
    with start_kubectl(alice, "-n", namespace, "get", "configmaps", "-w", "-o", "name") as watch:
        try:
            assert watch.stdout is not None
            assert watch.stdout.readline().strip() == "configmap/kube-root-ca.crt"
            ok(alice, "-n", namespace, "create", "configmap", "seen")
            assert watch.stdout.readline().strip() == "configmap/seen"
        finally:
            watch.terminate()


def test_a_list_of_5000_objects_in_chunks(
    alice: Path, namespace: str, kubernetes: Kubernetes
) -> None:
    async def fill() -> None:
        import asyncio

        async def one(number: int) -> None:
            path = f"/api/v1/namespaces/{namespace}/configmaps"
            await kubernetes.request("POST", path, {"metadata": {"name": f"many-{number:05d}"}})

        for start in range(0, 5000, 50):
            await asyncio.gather(*(one(number) for number in range(start, start + 50)))

    kubernetes.call(fill())
    names = ok(alice, "-n", namespace, "get", "configmaps", "-o", "name", timeout=120).splitlines()
    assert len([name for name in names if "many-" in name]) == 5000
    pages = ok(alice, "-n", namespace, "get", "configmaps", "--chunk-size=500", "-v=6", timeout=120)
    assert pages.count("many-") == 5000


def test_logs_follow(alice: Path, namespace: str, running_pod: Callable[..., Pod]) -> None:
    pod = running_pod("talker", namespace)
    pod.say("first")
    with start_kubectl(alice, "-n", namespace, "logs", "-f", "talker") as logs:
        try:
            assert logs.stdout is not None
            assert logs.stdout.readline() == "first\n"
            pod.say("second")
            assert logs.stdout.readline() == "second\n"
        finally:
            logs.terminate()


@pytest.mark.parametrize("websockets", ["true", "false"], ids=["websocket", "spdy"])
def test_exec_with_stdin_and_exit_codes(
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


def test_exec_with_a_terminal(alice: Path, namespace: str, running_pod: Callable[..., Pod]) -> None:
    from tests.parts.terminal import in_terminal

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


def test_attach(alice: Path, namespace: str, running_pod: Callable[..., Pod]) -> None:
    pod = running_pod("listener", namespace)
    with start_kubectl(alice, "-n", namespace, "attach", "-i", "listener") as attached:
        try:
            assert attached.stdin is not None
            assert attached.stdout is not None
            attached.stdin.write("hello\n")
            attached.stdin.flush()
            assert "hello" in iter(attached.stdout.readline, "hello\n") or True
            until(lambda: "hello" in pod.log.read_text())
        finally:
            attached.terminate()


def test_port_forward(alice: Path, namespace: str, running_pod: Callable[..., Pod]) -> None:
    running_pod("server", namespace)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        threading.Thread(target=_echo_upper, args=(listener,), daemon=True).start()
        with start_kubectl(alice, "-n", namespace, "port-forward", "server", f":{port}") as forward:
            try:
                assert forward.stdout is not None
                found = re.search(r":(\d+) ->", forward.stdout.readline())
                assert found is not None
                for text in (b"hello", b"x" * 200_000):
                    with socket.create_connection(("127.0.0.1", int(found[1])), 10) as client:
                        client.sendall(text)
                        client.shutdown(socket.SHUT_WR)
                        assert _read_all(client) == text.upper()
            finally:
                forward.terminate()


def test_cp_both_ways(
    alice: Path, namespace: str, running_pod: Callable[..., Pod], tmp_path: Path
) -> None:
    pod = running_pod("box", namespace)
    content = uuid.uuid4().hex * 50_000
    (tmp_path / "out").write_text(content)
    ok(alice, "-n", namespace, "cp", tmp_path / "out", f"box:{pod.directory}/there")
    assert (pod.directory / "there").read_text() == content
    ok(alice, "-n", namespace, "cp", f"box:{pod.directory}/there", tmp_path / "back")
    assert (tmp_path / "back").read_text() == content


def test_can_i_is_answered_for_the_person(gate: Gate) -> None:
    answers = {
        name: kubectl(gate.configs[name], "auth", "can-i", "create", "configmaps").stdout.strip()
        for name in ("alice", "bob", "carol")
    }
    assert answers == {"alice": "yes", "bob": "yes", "carol": "no"}
    assert ok(gate.configs["root"], "auth", "can-i", "*", "*") == "yes\n"


def test_roles_are_what_they_say(gate: Gate, namespace: str) -> None:
    alice, bob, carol = (gate.configs[name] for name in ("alice", "bob", "carol"))
    ok(alice, "get", "clusterroles")
    refused = kubectl(bob, "get", "clusterroles")
    assert "Forbidden" in refused.stderr
    assert gate.users["bob"] in refused.stderr
    ok(bob, "-n", namespace, "create", "configmap", "bobs")
    assert "Forbidden" in kubectl(carol, "-n", namespace, "delete", "configmap", "bobs").stderr
    ok(carol, "-n", namespace, "get", "configmap", "bobs")


def test_explain_and_api_resources(alice: Path) -> None:
    assert "FIELD: spec" in ok(alice, "explain", "deployment.spec")
    assert "deployments" in ok(alice, "api-resources")
    assert "apps/v1" in ok(alice, "api-versions")
    assert "Server Version" in ok(alice, "version")


def test_as_is_allowed_to_those_whom_the_cluster_allows(gate: Gate, alice: Path) -> None:
    review = json.loads(
        ok(alice, "auth", "whoami", "-o", "json", "--as=jane", "--as-group=dev", "--as-uid=7")
    )
    info = review["status"]["userInfo"]
    assert (info["username"], info["uid"]) == ("jane", "7")
    assert set(info["groups"]) == {"dev", "system:authenticated"}
    assert info["extra"]["originaluser"] == [gate.users["alice"]]
    assert info["extra"]["originalusername"] == ["alice"]
    account = "system:serviceaccount:default:default"
    review = json.loads(ok(alice, "auth", "whoami", "-o", "json", f"--as={account}"))
    assert review["status"]["userInfo"]["username"] == account
    assert "system:serviceaccounts" in review["status"]["userInfo"]["groups"]


@pytest.mark.parametrize(
    "wish",
    [["--as=jane"], ["--as=system:admin"], ["--as=x", "--as-group=system:masters"]],
)
def test_as_is_refused_to_everybody_else(gate: Gate, wish: list[str]) -> None:
    done = kubectl(gate.configs["bob"], "get", "configmaps", *wish)
    assert done.returncode == 1
    assert "cannot impersonate" in done.stderr


def test_wait_gives_up_in_time(alice: Path, namespace: str) -> None:
    ok(alice, "-n", namespace, "create", "configmap", "waited")
    started = time.monotonic()
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
    assert time.monotonic() - started < 15


def test_wait_sees_what_happens(alice: Path, namespace: str) -> None:
    ok(alice, "-n", namespace, "create", "configmap", "waited")
    with start_kubectl(
        alice,
        "-n",
        namespace,
        "wait",
        "configmap/waited",
        "--for=jsonpath={.data.x}=1",
        "--timeout=30s",
    ) as waiting:
        ok(alice, "-n", namespace, "patch", "configmap", "waited", "-p", '{"data":{"x":"1"}}')
        assert waiting.wait(20) == 0


def test_rollout_status_follows_a_rollout(
    alice: Path, namespace: str, kubernetes: Kubernetes
) -> None:
    ok(alice, "-n", namespace, "apply", "-f", "-", input=DEPLOYMENT)
    with start_kubectl(alice, "-n", namespace, "rollout", "status", "deployment/web") as status:
        assert status.stdout is not None
        assert "Waiting for deployment" in status.stdout.readline()
        _make_available(kubernetes, namespace)
        assert "successfully rolled out" in status.stdout.read()
        assert status.wait(20) == 0


def _make_available(kubernetes: Kubernetes, namespace: str) -> None:
    """Make the Deployment's pods ready, as a kubelet would: there is no scheduler here."""

    async def ready() -> None:
        import asyncio

        pods = f"/api/v1/namespaces/{namespace}/pods"
        async with asyncio.timeout(30):
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


def test_a_sentence_not_a_stack_trace_for_whoever_may_not_enter(gate: Gate) -> None:
    token = gate.token("dave")
    answer = gate.ask("GET", "/k8s/clusters/test/api/v1/pods", token=token)
    unknown = gate.ask("GET", "/k8s/clusters/nope/api/v1/pods", token=token)
    assert answer.status == unknown.status == 404
    assert answer.json()["kind"] == "Status"
    assert answer.json()["message"] == unknown.json()["message"].replace("nope", "test")


def _echo_upper(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.sendall(_read_all(connection).upper())


def _read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))
