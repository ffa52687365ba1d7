"""The recipe for load balancers (docs/recipes/load-balancers.md), with the real programs."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxy.demo.fake_kubelet import Pod
from tests.e2e.balancers import CLIENT, Balancer, running_balancer
from tests.e2e.kubectl_commands import assert_logs_follow, assert_port_forward, ok
from tests.support.kubernetes import start_kubectl
from tests.support.log_lines import await_audit_event
from tests.support.sekisho import SekishoWithUsers, await_bindings, running
from tests.support.shared_proxy import copy_of

pytestmark = pytest.mark.timeout(600)

ANNOUNCING = "127.0.0.3"
"""The address of balancers that announce their clients by the PROXY protocol."""

ANNOUNCED = {
    "haproxy-passthrough.cfg": (
        "check check-ssl",
        f"source {ANNOUNCING} send-proxy-v2 check check-ssl",
    ),
    "nginx-passthrough.conf": (
        "proxy_pass sekisho;",
        f"proxy_pass sekisho; proxy_bind {ANNOUNCING}; proxy_protocol on;",
    ),
}
"""What the recipe adds to a configuration, and another address for the balancer."""


@pytest.fixture(scope="module")
def behind(
    prepared_proxy: SekishoWithUsers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SekishoWithUsers]:
    """A Sekisho that trusts the balancers of this machine."""
    server = copy_of(prepared_proxy, tmp_path_factory.mktemp("behind") / "sekisho")
    listen = f'listen: "127.0.0.1:{server.port}"'
    text = server.config.read_text()
    trusted = (
        f'{listen}, trusted_proxies: ["127.0.0.1/32"], proxy_protocol_from: ["{ANNOUNCING}/32"]'
    )
    server.config.write_text(text.replace(listen, trusted))
    with running(server):
        await_bindings(server)
        yield server


@pytest.fixture(
    scope="module",
    params=[
        "envoy-passthrough.yaml",
        "envoy-terminated.yaml",
        "haproxy-passthrough.cfg",
        "haproxy-terminated.cfg",
        "nginx-passthrough.conf",
        "nginx-terminated.conf",
    ],
)
def balancer(
    request: pytest.FixtureRequest,
    behind: SekishoWithUsers,
    load_balancers: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Balancer]:
    """Run a balancer with the configuration of the recipe."""
    folder = tmp_path_factory.mktemp(Path(request.param).stem)
    own_ca = behind.folder / "data" / "tls" / "ca.crt"
    with running_balancer(request.param, load_balancers, folder, [behind.port], own_ca) as running:
        yield running


@pytest.fixture
def config(balancer: Balancer, behind: SekishoWithUsers) -> Path:
    """The kubeconfig of alice that leads through the balancer."""
    return balancer.kubeconfig(behind.configs["alice"], behind.port)


def test_watch_through_a_balancer_prints_a_change_when_it_happens(
    config: Path, namespace: str
) -> None:
    with start_kubectl(config, "-n", namespace, "get", "configmaps", "-w", "-o", "name") as watch:
        try:
            assert watch.stdout is not None
            assert watch.stdout.readline().strip() == "configmap/kube-root-ca.crt"
            ok(config, "-n", namespace, "create", "configmap", "seen")
            assert watch.stdout.readline().strip() == "configmap/seen"
        finally:
            watch.terminate()


@pytest.mark.parametrize("websockets", ["true", "false"], ids=["websocket", "spdy"])
def test_streams_through_a_balancer_are_upgraded(
    config: Path, namespace: str, running_pod: Callable[..., Pod], websockets: str
) -> None:
    pod = running_pod("worker", namespace)
    streams = ("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "KUBECTL_PORT_FORWARD_WEBSOCKETS")
    env = dict.fromkeys(streams, websockets)
    words = ("-n", namespace, "exec", "-i", "worker", "--", "cat")
    assert ok(config, *words, input="a\nb\n", env=env) == "a\nb\n"
    assert_port_forward(config, namespace, "worker", env)
    assert_logs_follow(config, namespace, pod)


def test_large_request_and_escaped_path_pass_a_balancer_unchanged(
    config: Path, namespace: str
) -> None:
    value = "x" * 900_000
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "big"}}
    body = json.dumps(manifest | {"data": {"a": value}})
    ok(config, "-n", namespace, "create", "-f", "-", input=body)
    found = ok(
        config,
        "get",
        "--raw",
        f"/api/v1/namespaces/{namespace}/configmaps?limit=1&fieldSelector=metadata.name%3Dbig",
    )
    assert value in found


def test_audit_log_has_the_address_of_the_client_if_the_balancer_ends_tls(
    balancer: Balancer, behind: SekishoWithUsers
) -> None:
    forged = {"X-Forwarded-For": "203.0.113.9"} if balancer.ends_tls else {}
    expected = CLIENT if balancer.ends_tls else "127.0.0.1"
    assert address_of(behind, balancer.sign_in(forged)) == expected


@pytest.mark.parametrize("name", ANNOUNCED)
def test_audit_log_has_the_address_of_a_client_that_a_balancer_announces(
    name: str, behind: SekishoWithUsers, load_balancers: dict[str, Path], tmp_path: Path
) -> None:
    ca = behind.folder / "data" / "tls" / "ca.crt"
    changes = [ANNOUNCED[name]]
    with running_balancer(name, load_balancers, tmp_path, [behind.port], ca, changes) as announcing:
        request_id = announcing.sign_in({"X-Forwarded-For": "203.0.113.9"})
    assert address_of(behind, request_id) == CLIENT


def address_of(server: SekishoWithUsers, request_id: str) -> str:
    """Return the address in the audit log of the client that sent a request."""
    return str(await_audit_event(server, request_id)["sourceIPs"][0])
