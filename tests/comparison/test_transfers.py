"""Long-running requests that carry bytes both ways: port-forward, cp, and kubectl proxy."""

import re
import socket
import subprocess
import threading
from contextlib import closing
from pathlib import Path

from tests.comparison.running import TRANSPORTS, read_line, running
from tests.comparison.sides import Side
from tests.comparison.world import World
from tests.support.echo import read_all, upper_case


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


def exchange(port: int, command: bytes) -> bytes:
    """Send bytes and return the complete response."""
    with socket.create_connection(("127.0.0.1", port), 120) as client:
        client.sendall(command)
        client.shutdown(socket.SHUT_WR)
        return read_all(client)


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
        # How much of tar's messages kubectl prints differs from run to run, also without the proxy:
        # it stops reading when it has the file, or when tar has failed.
        failed = side.run("cp", "worker:/nonexistent", tmp_path / "nothing")
        return [one.returncode for one in [*done, failed]]

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
