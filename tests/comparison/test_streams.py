"""Long-running requests: watches, logs, exec, attach, port-forward and cp.

The tests measure no time. Each step starts only after the previous result, so a response that is
held back on the way (a head without a body, one line of many) blocks and fails the test.
"""

from typing import Any

from tests.comparison.cases import CREATE_ONE
from tests.comparison.running import TRANSPORTS, read_line, running
from tests.comparison.sides import Side
from tests.comparison.terminal import run_resized
from tests.comparison.world import World
from tests.support.waiting import wait_until


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
            return [*lines, shell.wait(120)]

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


def test_wait_sees_change(world: World) -> None:
    def waited(side: Side) -> object:
        side.run_checked(*CREATE_ONE.split())
        arguments = ("wait", "configmap/one", "--for=jsonpath={.data.x}=1", "--timeout=120s")
        with running(side.start(*arguments)) as waiting:
            side.run_checked("patch", "configmap", "one", "-p", '{"data":{"x":"1"}}')
            return [read_line(waiting), waiting.wait(120)]

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
            return [sorted(set(lines)), status.wait(120)]

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
