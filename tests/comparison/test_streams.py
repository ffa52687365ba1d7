"""What goes on for a while: watches, logs, exec, attach, port-forward and cp, the same both ways.

Nothing here is timed. A step is taken only when the last one was seen, so an answer that is held
back anywhere on the way (a head without a body, one line of many) stops the case, and fails it.
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

from tests.comparison.cases import MADE
from tests.comparison.sides import Side
from tests.comparison.terminal import resized
from tests.comparison.world import World
from tests.parts.waiting import until

WAYS = pytest.mark.parametrize("websockets", ["true", "false"], ids=["websocket", "spdy"])


@contextmanager
def running(process: "subprocess.Popen[str]") -> Iterator["subprocess.Popen[str]"]:
    """End it with the block, whatever happened; read line by line, but never for ever."""
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    with process:
        try:
            yield process
        finally:
            watchdog.cancel()
            process.terminate()


def line(process: "subprocess.Popen[str]") -> str:
    """Its next line."""
    assert process.stdout is not None
    found: str = process.stdout.readline()
    assert found, process.stderr and process.stderr.read()
    return found


def test_get_watch_shows_each_event_when_it_happens(world: World) -> None:
    def watched(side: Side) -> str:
        events = []
        arguments = ("get", "configmaps", "--watch", "--output-watch-events")
        with running(side.start(*arguments)) as watch:
            events += [line(watch), line(watch)]
            for number in range(3):
                side.ok("create", "configmap", f"seen-{number}")
                events.append(line(watch))
            side.ok("label", "configmap", "seen-0", "a=b")
            events.append(line(watch))
            side.ok("delete", "configmap", "seen-1")
            events.append(line(watch))
        return "".join(events)

    world.same(watched)


def test_get_watch_with_a_selector_shows_only_what_fits(world: World) -> None:
    def watched(side: Side) -> str:
        with running(side.start("get", "cm", "-w", "-o", "name", "-l", "app=one")) as watch:
            side.ok(*MADE.split())
            side.ok("apply", "-f", "map.yaml")
            return line(watch)

    world.same(watched)


def test_logs_follow_line_by_line(world: World) -> None:
    def followed(side: Side) -> str:
        pod = world.pod(side)
        lines = []
        with running(side.start("logs", "-f", "worker")) as logs:
            for number in range(5):
                pod.say(f"line {number}")
                lines.append(line(logs))
        return "".join(lines)

    world.same(followed)


@WAYS
def test_exec_answers_each_line_of_its_input(world: World, websockets: str) -> None:
    def answered(side: Side) -> object:
        world.pod(side)
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
                lines.append(line(shell))
            shell.stdin.close()
            lines.append(shell.stderr.read())
            return [*lines, shell.wait(30)]

    world.same(answered)


@WAYS
def test_exec_on_a_terminal_that_changes_its_size(world: World, websockets: str) -> None:
    def sizes(side: Side) -> object:
        world.pod(side)
        text, code = resized(
            side,
            *("exec", "-it", "worker", "--", "sh", "-c"),
            # The first size too comes after the command has started.
            'for size in "41 97" "51 120"; do until [ "$(stty size)" = "$size" ]; do sleep 0.05; '
            "done; stty size; done; tty | cut -c 1-9; exit 7",
            before=(41, 97),
            after=(51, 120),
            websockets=websockets,
        )
        assert "41 97" in text
        assert "51 120" in text
        return [text, code]

    world.same(sizes)


@WAYS
def test_attach_hears_and_answers(world: World, websockets: str) -> None:
    def attached(side: Side) -> str:
        pod = world.pod(side)
        env = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": websockets}
        with running(side.start("attach", "-i", "worker", env=env)) as process:
            assert process.stdin is not None
            process.stdin.write("hello\n")
            process.stdin.flush()
            until(lambda: "hello" in pod.log.read_text())
            return next(found for found in iter(lambda: line(process), "") if "hello" in found)

    world.same(attached)


@WAYS
def test_port_forward_carries_every_byte(world: World, websockets: str) -> None:
    def carried(side: Side) -> object:
        world.pod(side)
        env = {"KUBECTL_PORT_FORWARD_WEBSOCKETS": websockets}
        with closing(socket.create_server(("127.0.0.1", 0))) as listener:
            threading.Thread(target=upper_case, args=(listener,), daemon=True).start()
            port = listener.getsockname()[1]
            command = ("port-forward", "worker", f":{port}")
            with running(side.start(*command, env=env)) as forward:
                found = re.search(r":(\d+) ->", line(forward))
                assert found is not None
                texts = (b"hello", b"x" * 400_000, b"")
                answers = [exchange(int(found[1]), text) for text in texts]
        assert answers == [text.upper() for text in texts]
        return [len(answer) for answer in answers]

    world.same(carried)


def upper_case(listener: socket.socket) -> None:
    """Serve connections: everything that is said, in upper case."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.sendall(read_all(connection).upper())


def exchange(port: int, said: bytes) -> bytes:
    """Say something, and hear all of the answer."""
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        client.sendall(said)
        client.shutdown(socket.SHUT_WR)
        return read_all(client)


def read_all(connection: socket.socket) -> bytes:
    """Every byte up to the end."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def test_cp_both_ways(world: World, tmp_path: Path) -> None:
    def copied(side: Side) -> object:
        pod = world.pod(side)
        content = "0123456789" * 100_000
        there, back = tmp_path / f"{side.name}-out", tmp_path / f"{side.name}-back"
        there.write_text(content)
        done = [
            copy(side, there, f"worker:{pod.directory}/there"),
            copy(side, f"worker:{pod.directory}/there", back),
        ]
        assert back.read_text() == content
        # Where there is nothing to copy, kubectl stops listening as soon as tar has failed: how
        # much it shows of tar's complaint differs from run to run.
        failed = side.run("cp", "worker:/nonexistent", tmp_path / "nothing")
        return [(one.returncode, one.stdout, one.stderr) for one in done], failed.returncode

    world.same(copied)


def copy(side: Side, *paths: Path | str) -> subprocess.CompletedProcess[str]:
    """Copy with kubectl, which now and then waits for ever for an end that has come.

    It does so without any gate in between, too; what always hangs fails still.
    """
    for _ in range(2):
        try:
            return side.run("cp", *paths, timeout=25)
        except subprocess.TimeoutExpired:
            continue
    return side.run("cp", *paths)


def test_wait_sees_what_happens(world: World) -> None:
    def waited(side: Side) -> object:
        side.ok(*MADE.split())
        wish = ("wait", "configmap/one", "--for=jsonpath={.data.x}=1", "--timeout=50s")
        with running(side.start(*wish)) as waiting:
            side.ok("patch", "configmap", "one", "-p", '{"data":{"x":"1"}}')
            return [line(waiting), waiting.wait(30)]

    world.same(waited)


def test_rollout_status_follows_a_rollout(world: World) -> None:
    def followed(side: Side) -> object:
        side.ok("create", "-f", "deployment.yaml")
        # What is told of the controller's own steps depends on which of them are still to be seen.
        until(lambda: deployed(world, side).get("updatedReplicas") == 1)
        with running(side.start("rollout", "status", "deployment/web")) as status:
            lines = [line(status)]
            for pod in pods(world, side):
                make_ready(world, side, pod)
            assert status.stdout is not None
            lines += status.stdout.readlines()
            return [sorted(set(lines)), status.wait(30)]

    world.same(followed)


def deployed(world: World, side: Side) -> dict[str, Any]:
    """The status of the side's deployment, as far as its controller has got."""
    path = f"/apis/apps/v1/namespaces/{side.namespace}/deployments/web"
    found: dict[str, Any] = world.kubernetes.call(world.kubernetes.request("GET", path))
    return found.get("status") or {}


def pods(world: World, side: Side) -> list[dict[str, Any]]:
    """The pods in the side's namespace."""
    path = f"/api/v1/namespaces/{side.namespace}/pods"
    found: list[dict[str, Any]] = world.kubernetes.call(world.kubernetes.request("GET", path))[
        "items"
    ]
    return found


def make_ready(world: World, side: Side, pod: dict[str, Any]) -> None:
    """Say that a pod is ready, as a kubelet would: there is no scheduler here."""
    pod["status"] |= {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    path = f"/api/v1/namespaces/{side.namespace}/pods/{pod['metadata']['name']}/status"
    world.kubernetes.call(world.kubernetes.request("PUT", path, pod))


def test_kubectl_proxy_on_top(world: World) -> None:
    """The gate's API lies below a path, which ``kubectl proxy`` adds only when it is told to."""

    def proxied(side: Side) -> object:
        with running(side.start("proxy", "--port=0", "--append-server-path")) as proxy:
            found = re.search(r"127\.0\.0\.1:\d+", line(proxy))
            assert found is not None
            server = f"--server=http://{found[0]}"
            nobody = Path(side.kubeconfig).parent / "nobody.kubeconfig"
            nobody.write_text("{apiVersion: v1, kind: Config}")
            asked = (
                ("get", "configmap", "many-00007", "-o", "yaml"),
                ("get", "configmap", "nothing"),
                ("get", "--raw", "/version"),
            )
            answers = []
            for wish in asked:
                command = [str(side.kubectl), f"--kubeconfig={nobody}", server, "-n", "shared"]
                done = subprocess.run(
                    [*command, *wish],
                    capture_output=True,
                    text=True,
                    timeout=60,
                    env=side.environment(),
                    check=False,
                )
                answers.append((done.returncode, done.stdout, done.stderr))
            return answers

    world.same_to_read(proxied)
