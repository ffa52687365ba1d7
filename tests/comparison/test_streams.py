"""Long-running requests: watches, logs, exec, attach, port-forward and cp.

The tests measure no time. Each step starts only after the previous result, so a response that is
held back on the way (a head without a body, one line of many) blocks and fails the test.
"""

import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.comparison.cases import CREATE_ONE
from tests.comparison.sides import Side
from tests.comparison.terminal import run_resized
from tests.comparison.world import World
from tests.support.waiting import wait_until

TRANSPORTS = pytest.mark.parametrize("websockets", ["true", "false"], ids=["websocket", "spdy"])


@contextmanager
def running(process: "subprocess.Popen[str]") -> Iterator["subprocess.Popen[str]"]:
    """Terminate the process after the block, and kill it after 60 seconds."""
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    with process:
        try:
            yield process
        finally:
            watchdog.cancel()
            process.terminate()


def read_line(process: "subprocess.Popen[str]") -> str:
    """Return the next line of output. Fails at the end of the output."""
    assert process.stdout is not None
    found: str = process.stdout.readline()
    assert found, process.stderr and process.stderr.read()
    return found


def test_get_watch_shows_events_immediately(world: World) -> None:
    def watched(side: Side) -> str:
        events = []
        arguments = ("get", "configmaps", "--watch", "--output-watch-events")
        with running(side.start(*arguments)) as watch:
            events += [read_line(watch), read_line(watch)]
            for number in range(3):
                side.run_checked("create", "configmap", f"seen-{number}")
                events.append(read_line(watch))
            side.run_checked("label", "configmap", "seen-0", "a=b")
            events.append(read_line(watch))
            side.run_checked("delete", "configmap", "seen-1")
            events.append(read_line(watch))
        return "".join(events)

    world.compare(watched)


def test_get_watch_with_selector_shows_matching_events_only(world: World) -> None:
    def watched(side: Side) -> str:
        with running(side.start("get", "cm", "-w", "-o", "name", "-l", "app=one")) as watch:
            side.run_checked(*CREATE_ONE.split())
            side.run_checked("apply", "-f", "map.yaml")
            return read_line(watch)

    world.compare(watched)


def test_logs_follow_line_by_line(world: World) -> None:
    def followed(side: Side) -> str:
        pod = world.create_pod(side)
        lines = []
        with running(side.start("logs", "-f", "worker")) as logs:
            for number in range(5):
                pod.say(f"line {number}")
                lines.append(read_line(logs))
        return "".join(lines)

    world.compare(followed)


@TRANSPORTS
def test_exec_responds_to_each_input_line(world: World, websockets: str) -> None:
    def answered(side: Side) -> object:
        world.create_pod(side)
        env = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": websockets}
        lines = []
        script = 'while read x; do echo "got $x"; done; echo end >&2; exit 5'
        process = side.start("exec", "-i", "worker", "--", "sh", "-c", script, env=env)
        with running(process) as shell:
            assert shell.stdin is not None
            assert shell.stderr is not None
            for number in range(4):
                shell.stdin.write(f"{number}\n")
                shell.stdin.flush()
                lines.append(read_line(shell))
            shell.stdin.close()
            lines.append(shell.stderr.read())
            return [*lines, shell.wait(30)]

    world.compare(answered)


@TRANSPORTS
def test_exec_follows_terminal_resize(world: World, websockets: str) -> None:
    def sizes(side: Side) -> object:
        world.create_pod(side)
        text, code = run_resized(
            side,
            *("exec", "-it", "worker", "--", "sh", "-c"),
            # The first size, too, arrives after the command has started.
            'for size in "41 97" "51 120"; do until [ "$(stty size)" = "$size" ]; do sleep 0.05; '
            "done; stty size; done; tty | cut -c 1-9; exit 7",
            before=(41, 97),
            after=(51, 120),
            websockets=websockets,
        )
        assert "41 97" in text
        assert "51 120" in text
        return [text, code]

    world.compare(sizes)


@TRANSPORTS
def test_attach_passes_input_and_output(world: World, websockets: str) -> None:
    def attached(side: Side) -> str:
        pod = world.create_pod(side)
        env = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": websockets}
        with running(side.start("attach", "-i", "worker", env=env)) as process:
            assert process.stdin is not None
            process.stdin.write("hello\n")
            process.stdin.flush()
            wait_until(lambda: "hello" in pod.log.read_text())
            return next(found for found in iter(lambda: read_line(process), "") if "hello" in found)

    world.compare(attached)


@TRANSPORTS
def test_port_forward_carries_every_byte(world: World, websockets: str) -> None:
    def carried(side: Side) -> object:
        world.create_pod(side)
        env = {"KUBECTL_PORT_FORWARD_WEBSOCKETS": websockets}
        with closing(socket.create_server(("127.0.0.1", 0))) as listener:
            threading.Thread(target=upper_case, args=(listener,), daemon=True).start()
            port = listener.getsockname()[1]
            command = ("port-forward", "worker", f":{port}")
            with running(side.start(*command, env=env)) as forward:
                found = re.search(r":(\d+) ->", read_line(forward))
                assert found is not None
                texts = (b"hello", b"x" * 400_000, b"")
                responses = [exchange(int(found[1]), text) for text in texts]
        assert responses == [text.upper() for text in texts]
        return [len(response) for response in responses]

    world.compare(carried)


def upper_case(listener: socket.socket) -> None:
    """Serve connections: return everything received, in upper case."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.sendall(read_all(connection).upper())


def exchange(port: int, command: bytes) -> bytes:
    """Send bytes and return the complete response."""
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        client.sendall(command)
        client.shutdown(socket.SHUT_WR)
        return read_all(client)


def read_all(connection: socket.socket) -> bytes:
    """Return all bytes until the connection ends."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def test_cp_works_in_both_directions(world: World, tmp_path: Path) -> None:
    def copied(side: Side) -> object:
        pod = world.create_pod(side)
        content = "0123456789" * 100_000
        remote_source, back = tmp_path / f"{side.name}-out", tmp_path / f"{side.name}-back"
        remote_source.write_text(content)
        done = [
            copy(side, remote_source, f"worker:{pod.directory}/there"),
            copy(side, f"worker:{pod.directory}/there", back),
        ]
        assert back.read_text() == content
        # If the file is missing, kubectl stops reading as soon as tar has failed. How much of tar's
        # message it prints differs from run to run.
        failed = side.run("cp", "worker:/nonexistent", tmp_path / "nothing")
        return [(one.returncode, one.stdout, one.stderr) for one in done], failed.returncode

    world.compare(copied)


def copy(side: Side, *paths: Path | str) -> subprocess.CompletedProcess[str]:
    """Copy with kubectl, which sometimes misses the end of the stream and hangs.

    It also does so without the proxy. A copy that always hangs still fails.
    """
    for _ in range(2):
        try:
            return side.run("cp", *paths, timeout=25)
        except subprocess.TimeoutExpired:
            continue
    return side.run("cp", *paths)


def test_wait_sees_change(world: World) -> None:
    def waited(side: Side) -> object:
        side.run_checked(*CREATE_ONE.split())
        arguments = ("wait", "configmap/one", "--for=jsonpath={.data.x}=1", "--timeout=50s")
        with running(side.start(*arguments)) as waiting:
            side.run_checked("patch", "configmap", "one", "-p", '{"data":{"x":"1"}}')
            return [read_line(waiting), waiting.wait(30)]

    world.compare(waited)


def test_rollout_status_follows_rollout(world: World) -> None:
    def followed(side: Side) -> object:
        side.run_checked("create", "-f", "deployment.yaml")
        # Which steps of the controller kubectl reports depends on when it starts.
        wait_until(lambda: deployed(world, side).get("updatedReplicas") == 1)
        with running(side.start("rollout", "status", "deployment/web")) as status:
            lines = [read_line(status)]
            for pod in pods(world, side):
                make_ready(world, side, pod)
            assert status.stdout is not None
            lines += status.stdout.readlines()
            return [sorted(set(lines)), status.wait(30)]

    world.compare(followed)


def deployed(world: World, side: Side) -> dict[str, Any]:
    """Return the current status of the side's deployment."""
    path = f"/apis/apps/v1/namespaces/{side.namespace}/deployments/web"
    found: dict[str, Any] = world.kubernetes.call(world.kubernetes.request("GET", path))
    return found.get("status") or {}


def pods(world: World, side: Side) -> list[dict[str, Any]]:
    """Return the pods in the side's namespace."""
    path = f"/api/v1/namespaces/{side.namespace}/pods"
    found: list[dict[str, Any]] = world.kubernetes.call(world.kubernetes.request("GET", path))[
        "items"
    ]
    return found


def make_ready(world: World, side: Side, pod: dict[str, Any]) -> None:
    """Mark a pod as ready, as a kubelet would. The cluster has no scheduler."""
    pod["status"] |= {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    path = f"/api/v1/namespaces/{side.namespace}/pods/{pod['metadata']['name']}/status"
    world.kubernetes.call(world.kubernetes.request("PUT", path, pod))


def test_kubectl_proxy_serves_cluster(world: World) -> None:
    """The cluster is below a path, which ``kubectl proxy`` adds with ``--append-server-path``."""

    def proxied(side: Side) -> object:
        with running(side.start("proxy", "--port=0", "--append-server-path")) as proxy:
            found = re.search(r"127\.0\.0\.1:\d+", read_line(proxy))
            assert found is not None
            server = f"--server=http://{found[0]}"
            empty_config = Path(side.kubeconfig).parent / "empty.kubeconfig"
            empty_config.write_text("{apiVersion: v1, kind: Config}")
            requests = (
                ("get", "configmap", "many-00007", "-o", "yaml"),
                ("get", "configmap", "missing"),
                ("get", "--raw", "/version"),
            )
            responses = []
            for arguments in requests:
                command = [
                    str(side.kubectl),
                    f"--kubeconfig={empty_config}",
                    server,
                    "-n",
                    "shared",
                ]
                done = subprocess.run(
                    [*command, *arguments],
                    capture_output=True,
                    text=True,
                    timeout=60,
                    env=side.environment(),
                    check=False,
                )
                responses.append((done.returncode, done.stdout, done.stderr))
            return responses

    world.compare_reads(proxied)
