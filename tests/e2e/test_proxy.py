"""Authentication, authorization, metrics and logs of the proxy with a real kube-apiserver."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.demo.fake_kubelet import Pod
from tests.e2e.raw_requests import (
    PODS,
    raw,
    whoami,
)
from tests.support.kubernetes import Kubernetes, kubectl, start_kubectl
from tests.support.sekisho import Sekisho, SekishoWithUsers, free_port, make_sekisho
from tests.support.waiting import wait_until, within


@pytest.mark.parametrize(
    "line",
    [
        b"Impersonate_User: system:admin",
        b"IMPERSONATE-GROUP: system:masters",
        b"Impersonate-Extra-Username: root",
        b"Impersonate-User:",
        b"Impersonate-Whatever: x",
        b"Impersonate-User: a\r\nImpersonate-User: b",
        b"Impersonate-User: x\r\nImpersonate-Group: system:masters",
    ],
)
def test_impersonation_header_from_an_unauthorized_user_is_rejected(
    proxy: SekishoWithUsers, line: bytes
) -> None:
    status, _ = whoami(proxy, proxy.token("bob"), line)
    assert status in {400, 403}


@pytest.mark.parametrize(
    "lines",
    [
        (b"X-Remote-User: system:admin", b"X-Remote-Group: system:masters"),
        (b"X_Remote_User: system:admin",),
        (b"Cookie: a=b",),
        (b"Connection: Impersonate-User, Impersonate-Group, Authorization",),
        (b"X-Forwarded-For: 6.6.6.6", b"Forwarded: for=6.6.6.6"),
    ],
    ids=["x-remote", "underscores", "cookie", "connection", "forwarded"],
)
def test_identity_and_forwarding_headers_from_a_client_have_no_effect(
    proxy: SekishoWithUsers, lines: tuple[bytes, ...]
) -> None:
    """Cover CVE-2026-61682, CVE-2025-64484, CVE-2021-31999 and CVE-2022-23652."""
    status, info = whoami(proxy, proxy.token("bob"), *lines)
    assert status == 201
    assert info["username"] == proxy.users["bob"]
    assert set(info["groups"]) == {"system:authenticated", "sekisho:authenticated"}  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "target",
    [
        "/k8s/clusters/test/../other/api",
        "/k8s/clusters/test/%2e%2e/api",
        "/k8s/clusters/test//api",
        "/k8s/clusters/test/api%2fv1",
        "/k8s/clusters//api",
        "/k8s/other",
    ],
)
def test_ambiguous_path_is_rejected_after_authentication(
    proxy: SekishoWithUsers, target: str
) -> None:
    head = f"GET {target} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n"
    credential = f"Authorization: Bearer {proxy.token('alice')}\r\n"
    for lines, status in (("", b"401"), (credential, b"400")):
        response = raw(proxy, f"{head}{lines}\r\n".encode())
        assert response.startswith(b"HTTP/1.1 " + status)
        assert b'"kind": "Status"' in response


@pytest.mark.parametrize(
    "target", ["/k8s/clusters/testX/api", "http://127.0.0.1/k8s/clusters/test/api", "/K8s/x"]
)
def test_path_outside_the_cluster_prefix_is_rejected(proxy: SekishoWithUsers, target: str) -> None:
    """Cover a prefix that does not end at a slash (CVE-2021-36776)."""
    token = proxy.token("alice")
    request = f"GET {target} HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {token}\r\n"
    response = raw(proxy, request.encode() + b"Connection: close\r\n\r\n")
    assert response.split(b" ", 2)[1] in {b"400", b"404"}


@pytest.mark.parametrize(
    "head",
    [
        b"Authorization: Bearer {token}\r\nAuthorization: Bearer {token}",
        b"Authorization: Bearer {token}\r\nContent-Length: 1\r\nContent-Length: 2",
        b"Authorization: Bearer {token}\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
        b"Authorization: Bearer {token}\r\nX: a\x00b",
        b"Authorization: Bearer {token}\r\n X: folded",
    ],
)
def test_request_with_ambiguous_framing_or_headers_is_rejected(
    proxy: SekishoWithUsers, head: bytes
) -> None:
    head = head.replace(b"{token}", proxy.token("alice").encode())
    response = raw(
        proxy, b"GET " + PODS.encode() + b" HTTP/1.1\r\nHost: g\r\n" + head + b"\r\n\r\nx"
    )
    assert response.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))


def test_kubeconfig_with_exec_plugin_uses_the_stored_sign_in(
    proxy: SekishoWithUsers, tmp_path: Path
) -> None:
    proxy.environment["XDG_CONFIG_HOME"] = str(tmp_path / "config")
    ca = str(proxy.folder / "data" / "tls" / "ca.crt")
    signed_in = proxy.run(
        *("login", "--server", proxy.url, "--provider", "local", "--username", "alice"),
        *("--password-stdin", "--ca-file", ca),
        stdin="correct horse battery staple\n",
    )
    assert "signed in as" in signed_in.stdout
    config = tmp_path / "exec.kubeconfig"
    config.write_text(proxy.run("admin", "kubeconfig", "test", "--user", "alice", "--exec").stdout)
    assert "token:" not in config.read_text()
    import sys

    env = {
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/local/bin",
    }
    done = kubectl(config, "get", "namespaces", env=env)
    assert done.returncode == 0, done.stderr
    proxy.run("logout", "--server", proxy.url, "--ca-file", ca)
    done = kubectl(config, "get", "namespaces", env=env)
    assert "sekisho login" in done.stderr


@pytest.fixture
def stoppable(tmp_path: Path, kubernetes: Kubernetes) -> Sekisho:
    """Start a Sekisho that the test stops; root is an administrator."""
    sekisho = make_sekisho(tmp_path, (free_port(), free_port()))
    sekisho.change(
        "admin", "cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig)
    )
    sekisho.start()
    sekisho.create_user("root", "--admin")
    return sekisho


def test_stop_waits_for_running_requests_and_exits_with_0(
    stoppable: Sekisho, running_pod: Callable[..., Pod], namespace: str
) -> None:
    running_pod("slow", namespace)
    codes: list[int] = []
    command = ("-n", namespace, "exec", "slow", "--", "sh", "-c", "echo on; sleep 3; echo done")
    with start_kubectl(stoppable.kubeconfig("root"), *command) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "on\n"
        stopper = threading.Thread(target=lambda: codes.append(stoppable.stop()))
        stopper.start()
        assert running.stdout.readline() == "done\n"
        assert running.wait(120) == 0
        stopper.join(120)
    assert codes == [0]
    assert '"stopped"' in stoppable.log


def test_stop_ends_watches_cleanly_within_10_seconds(stoppable: Sekisho) -> None:
    path = "/api/v1/namespaces?watch=1&timeoutSeconds=60"
    with start_kubectl(stoppable.kubeconfig("root"), "get", "--raw", path) as watch:
        wait_until(lambda: stoppable.metric('sekisho_open_watches{cluster="test"}') == 1, 10)
        with within(10):
            assert stoppable.stop() == 0
        assert watch.wait(120) == 0
        assert watch.stderr is not None
        assert watch.stderr.read() == ""


def test_streaming_list_ends_with_its_bookmark(proxy: SekishoWithUsers) -> None:
    """List as client-go does by default (KEP-3157); etcd must report the progress of a watch."""
    path = "/api/v1/namespaces?watch=1&sendInitialEvents=true"
    path += "&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=600"
    command = ("get", "--raw", path)
    with start_kubectl(proxy.configs["root"], *command) as watch:
        assert watch.stdout is not None
        events = (json.loads(line) for line in watch.stdout)
        last = next((event for event in events if event["type"] == "BOOKMARK"), None)
        watch.terminate()
        assert watch.stderr is not None
        assert last is not None, watch.stderr.read()
    assert last["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
