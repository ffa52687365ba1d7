"""What runs ends when the right to it ends; against a real kube-apiserver."""

import time
from collections.abc import Callable

import pytest

from proxy.demo.kubelet import Pod
from tests.parts.kubernetes import start_kubectl
from tests.parts.sekisho import Gate
from tests.parts.waiting import until

SECONDS = 10.0
"""More than the second that it takes, for a machine that does other things as well."""


def lines(gate: Gate) -> list[str]:
    return gate.log.splitlines()


def take_away(gate: Gate, what: str, user: str, token: str) -> None:
    if what == "token":
        gate.run("token", "revoke", token)
    elif what == "user":
        gate.run("user", "disable", user)
    else:
        gate.run("cluster", "revoke", "test", "--user", user)


@pytest.fixture
def guest(gate: Gate) -> str:
    """A user of the test's own, who owns the cluster."""
    name = f"guest-{time.monotonic_ns()}"
    gate.create_user(name)
    gate.run("cluster", "grant", "test", "--user", name, "--role", "owner")
    return name


@pytest.mark.parametrize("what", ["token", "user", "grant"])
def test_a_watch_ends_when_the_right_to_it_ends(gate: Gate, guest: str, what: str) -> None:
    config = gate.kubeconfig(guest)
    token = config.read_text().partition("token: ")[2].split()[0]
    path = "/k8s/clusters/test/api/v1/namespaces?watch=1&resourceVersion=0&timeoutSeconds=600"
    with start_kubectl(config, "get", "--raw", path) as watch:
        assert watch.stdout is not None
        assert watch.stdout.readline().startswith('{"type":"ADDED"')
        take_away(gate, what, guest, token)
        assert watch.wait(SECONDS) == 0, "the end of a watch is a clean one"


@pytest.mark.parametrize("what", ["token", "user", "grant"])
def test_an_exec_ends_when_the_right_to_it_ends(
    gate: Gate, guest: str, what: str, running_pod: Callable[..., Pod], namespace: str
) -> None:
    running_pod("shell", namespace)
    config = gate.kubeconfig(guest)
    token = config.read_text().partition("token: ")[2].split()[0]
    with start_kubectl(config, "-n", namespace, "exec", "-i", "shell", "--", "cat") as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.write("hello\n")
        assert shell.stdout.readline() == "hello\n"
        take_away(gate, what, guest, token)
        assert shell.wait(SECONDS) != 0
    said = {"token": "revoked", "user": "disabled", "grant": "have changed"}[what]
    until(lambda: any('"verb": "connect"' in line and said in line for line in lines(gate)))


def test_a_watch_ends_with_its_token(gate: Gate, guest: str) -> None:
    token = gate.token(guest, "--ttl", "15s")
    config = gate.kubeconfig(guest)
    text = config.read_text()
    config.write_text(text.replace(text.partition("token: ")[2].split()[0], token))
    path = "/k8s/clusters/test/api/v1/namespaces?watch=1&resourceVersion=0&timeoutSeconds=600"
    with start_kubectl(config, "get", "--raw", path) as watch:
        assert watch.stdout is not None
        assert watch.stdout.readline().startswith('{"type":"ADDED"')
        assert watch.wait(60) == 0


def test_what_others_run_goes_on(gate: Gate, guest: str) -> None:
    path = "/k8s/clusters/test/api/v1/namespaces?watch=1&resourceVersion=0&timeoutSeconds=600"
    token = gate.token(guest)
    with start_kubectl(gate.configs["alice"], "get", "--raw", path) as watch:
        assert watch.stdout is not None
        assert watch.stdout.readline().startswith('{"type":"ADDED"')
        take_away(gate, "token", guest, token)
        until(lambda: gate.ask("GET", "/v1/me", token=token).status == 401)
        take_away(gate, "grant", guest, "")
        assert watch.poll() is None
        watch.terminate()
