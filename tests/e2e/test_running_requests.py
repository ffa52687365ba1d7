"""Running requests end when their permission ends; with a real kube-apiserver."""

import http.client
import ssl
import time
from collections.abc import Callable

import pytest

from proxy.demo.fake_kubelet import Pod
from tests.support.kubernetes import start_kubectl
from tests.support.sekisho import SekishoWithUsers
from tests.support.waiting import wait_until

SECONDS = 120.0
"""Longer than the one second that it takes, for a busy machine."""


def lines(proxy: SekishoWithUsers) -> list[str]:
    return proxy.log.splitlines()


def revoke(proxy: SekishoWithUsers, revoked: str, user: str, token: str) -> None:
    if revoked == "token":
        proxy.prepare("admin", "token", "revoke", token)
    elif revoked == "user":
        proxy.prepare("admin", "user", "disable", user)
    else:
        proxy.prepare("admin", "cluster", "revoke", "test", "--user", user)


@pytest.fixture
def guest(proxy: SekishoWithUsers) -> str:
    """Create a user for this test with the role of an owner of the cluster."""
    name = f"guest-{time.monotonic_ns()}"
    proxy.create_user(name)
    proxy.change("admin", "cluster", "grant", "test", "--user", name, "--role", "owner")
    return name


@pytest.mark.parametrize("revoked", ["token", "user", "grant"])
def test_watch_ends_cleanly_when_its_permission_ends(
    proxy: SekishoWithUsers, guest: str, revoked: str
) -> None:
    config = proxy.kubeconfig(guest)
    token = config.read_text().partition("token: ")[2].split()[0]
    path = "/api/v1/namespaces?watch=1&resourceVersion=0&timeoutSeconds=600"
    with start_kubectl(config, "get", "--raw", path) as watch:
        assert watch.stdout is not None
        assert watch.stdout.readline().startswith('{"type":"ADDED"')
        revoke(proxy, revoked, guest, token)
        assert watch.wait(SECONDS) == 0, "a watch must end cleanly"


def body_of(
    proxy: SekishoWithUsers, token: str, accept: str, on_first_byte: Callable[[], None]
) -> tuple[bytes, bool]:
    """Open a watch and call ``on_first_byte`` after the first byte of its body.

    Returns:
        The body, and whether it ended cleanly.
    """
    context = ssl.create_default_context(cafile=str(proxy.folder / "data" / "tls" / "ca.crt"))
    connection = http.client.HTTPSConnection("127.0.0.1", proxy.port, context=context, timeout=60)
    path = "/k8s/clusters/test/api/v1/namespaces?watch=1&resourceVersion=0&timeoutSeconds=600"
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}", "Accept": accept})
    response = connection.getresponse()
    assert response.status == 200
    assert response.headers["Content-Type"].startswith(accept.partition(";")[0])
    body = response.read(1)
    on_first_byte()
    try:
        return body + response.read(), True
    except (http.client.IncompleteRead, ConnectionError):
        return body, False
    finally:
        connection.close()


@pytest.mark.parametrize("accept", ["application/vnd.kubernetes.protobuf;stream=watch",
                                    "application/json;stream=watch"])  # fmt: skip
def test_watch_in_a_controllers_encoding_ends_cleanly_between_events(
    proxy: SekishoWithUsers, guest: str, accept: str
) -> None:
    """Use the encodings of controller-runtime; every event must be complete."""
    token = proxy.token(guest)
    body, cleanly = body_of(proxy, token, accept, lambda: revoke(proxy, "token", guest, token))
    assert cleanly
    if "json" in accept:
        assert body.endswith(b"}\n")
        return
    events = 0
    while body:
        size = int.from_bytes(body[:4], "big")
        assert len(body) >= 4 + size, "the last event must be complete"
        body, events = body[4 + size :], events + 1
    assert events


@pytest.mark.parametrize("revoked", ["token", "user", "grant"])
def test_exec_fails_when_its_permission_ends(
    proxy: SekishoWithUsers,
    guest: str,
    revoked: str,
    running_pod: Callable[..., Pod],
    namespace: str,
) -> None:
    running_pod("shell", namespace)
    config = proxy.kubeconfig(guest)
    token = config.read_text().partition("token: ")[2].split()[0]
    with start_kubectl(config, "-n", namespace, "exec", "-i", "shell", "--", "cat") as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.write("hello\n")
        assert shell.stdout.readline() == "hello\n"
        revoke(proxy, revoked, guest, token)
        assert shell.wait(SECONDS) != 0
    reason = {"token": "revoked", "user": "disabled", "grant": "have changed"}[revoked]
    wait_until(lambda: any('"verb": "connect"' in line and reason in line for line in lines(proxy)))


def test_watch_ends_when_its_token_expires(proxy: SekishoWithUsers, guest: str) -> None:
    token = proxy.token(guest, "--ttl", "15s")
    config = proxy.kubeconfig(guest)
    text = config.read_text()
    config.write_text(text.replace(text.partition("token: ")[2].split()[0], token))
    path = "/api/v1/namespaces?watch=1&resourceVersion=0&timeoutSeconds=600"
    with start_kubectl(config, "get", "--raw", path) as watch:
        assert watch.stdout is not None
        assert watch.stdout.readline().startswith('{"type":"ADDED"')
        assert watch.wait(60) == 0


def test_watch_of_another_user_continues_after_a_revocation(
    proxy: SekishoWithUsers, guest: str
) -> None:
    path = "/api/v1/namespaces?watch=1&resourceVersion=0&timeoutSeconds=600"
    token = proxy.token(guest)
    with start_kubectl(proxy.configs["alice"], "get", "--raw", path) as watch:
        assert watch.stdout is not None
        assert watch.stdout.readline().startswith('{"type":"ADDED"')
        revoke(proxy, "token", guest, token)
        wait_until(lambda: proxy.request("GET", "/v1/me", token=token).status == 401)
        revoke(proxy, "grant", guest, "")
        assert watch.poll() is None
        watch.terminate()
