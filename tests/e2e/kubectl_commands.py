"""kubectl commands that must succeed."""

import re
import socket
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from proxy.demo.fake_kubelet import Pod
from tests.support.echo import read_all, upper_case
from tests.support.kubernetes import kubectl, start_kubectl
from tests.support.sekisho import SekishoWithUsers


@pytest.fixture
def alice(proxy: SekishoWithUsers) -> Path:
    return proxy.configs["alice"]


def assert_logs_follow(kubeconfig: Path, namespace: str, pod: Pod) -> None:
    """Assert that ``kubectl logs -f`` prints a line of a pod when it is written."""
    pod.say("first")
    with start_kubectl(kubeconfig, "-n", namespace, "logs", "-f", pod.name) as logs:
        try:
            assert logs.stdout is not None
            assert logs.stdout.readline() == "first\n"
            pod.say("second")
            assert logs.stdout.readline() == "second\n"
        finally:
            logs.terminate()


def assert_port_forward(
    kubeconfig: Path, namespace: str, pod: str, env: Mapping[str, str] | None = None
) -> None:
    """Assert that ``kubectl port-forward`` carries bytes both ways."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        threading.Thread(target=upper_case, args=(listener,), daemon=True).start()
        words = ("-n", namespace, "port-forward", pod, f":{port}")
        with start_kubectl(kubeconfig, *words, env=env) as forward:
            try:
                assert forward.stdout is not None
                found = re.search(r":(\d+) ->", forward.stdout.readline())
                assert found is not None
                for text in (b"hello", b"x" * 200_000):
                    with socket.create_connection(("127.0.0.1", int(found[1])), 120) as client:
                        client.sendall(text)
                        client.shutdown(socket.SHUT_WR)
                        assert read_all(client) == text.upper()
            finally:
                forward.terminate()


def ok(kubeconfig: Path, *arguments: str | Path, **options: object) -> str:
    """Run kubectl, assert that it succeeds, and return its output."""
    done = kubectl(kubeconfig, *arguments, **options)  # type: ignore[arg-type]
    assert done.returncode == 0, done.stderr
    return done.stdout
