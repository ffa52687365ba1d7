"""What the gate lets through, for whom, and what it tells of it; against a real kube-apiserver."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.demo.kubelet import Pod
from tests.parts.kubernetes import Kubernetes, kubectl, start_kubectl
from tests.parts.sekisho import Gate, Sekisho, free_port, make_sekisho
from tests.parts.waiting import until

PODS = "/k8s/clusters/test/api/v1/namespaces/default/pods"
WHOAMI = "/k8s/clusters/test/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


def raw(gate: Sekisho, request: bytes) -> bytes:
    """Everything that comes back for these very bytes, until the connection ends."""
    context = ssl.create_default_context(cafile=str(gate.folder / "data" / "tls" / "ca.crt"))
    with (
        socket.create_connection(("127.0.0.1", gate.port), 20) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def whoami(gate: Sekisho, token: str, *lines: bytes) -> tuple[int, dict[str, object]]:
    """The status, and whom the cluster took the caller for, with those header lines sent along."""
    body = json.dumps(REVIEW).encode()
    head = [
        f"POST {WHOAMI} HTTP/1.1".encode(),
        b"Host: gate",
        b"Authorization: Bearer " + token.encode(),
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
        b"Connection: close",
        *lines,
    ]
    answer = raw(gate, b"\r\n".join(head) + b"\r\n\r\n" + body)
    status = int(answer.split(b" ", 2)[1])
    parsed = json.loads(answer.partition(b"\r\n\r\n")[2]) if status == 201 else {}
    return status, parsed.get("status", {}).get("userInfo", {})


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
def test_nobody_becomes_another_by_a_header(gate: Gate, line: bytes) -> None:
    status, _ = whoami(gate, gate.token("bob"), line)
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
def test_headers_that_claim_something_change_nothing(gate: Gate, lines: tuple[bytes, ...]) -> None:
    """CVE-2026-61682, CVE-2025-64484, CVE-2021-31999, CVE-2022-23652."""
    status, info = whoami(gate, gate.token("bob"), *lines)
    assert status == 201
    assert info["username"] == gate.users["bob"]
    assert set(info["groups"]) == {"system:authenticated", "sekisho:authenticated"}  # type: ignore[call-overload]


def test_the_cluster_sees_where_a_request_came_from_and_which_it_is(
    gate: Gate, kubernetes: Kubernetes
) -> None:
    whoami(gate, gate.token("bob"), b"X-Request-Id: my-request-12345", b"X-Forwarded-For: 6.6.6.6")
    found = [
        one
        for one in map(json.loads, kubernetes.audit_log().read_text().splitlines())
        if one.get("impersonatedUser", {}).get("extra", {}).get("requestid") == ["my-request-12345"]
    ]
    assert found
    assert found[-1]["user"]["username"] == (
        "system:serviceaccount:sekisho-system:sekisho-impersonator"
    )
    assert found[-1]["sourceIPs"] == ["127.0.0.1"]


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
def test_an_ambiguous_path_is_refused_before_anything_else(gate: Gate, target: str) -> None:
    answer = raw(gate, f"GET {target} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 400")
    assert b'"kind": "Status"' in answer


@pytest.mark.parametrize(
    "target", ["/k8s/clusters/testX/api", "http://127.0.0.1/k8s/clusters/test/api", "/K8s/x"]
)
def test_there_is_one_way_to_a_cluster(gate: Gate, target: str) -> None:
    """A prefix without a boundary; CVE-2021-36776."""
    token = gate.token("alice")
    request = f"GET {target} HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {token}\r\n"
    answer = raw(gate, request.encode() + b"Connection: close\r\n\r\n")
    assert answer.split(b" ", 2)[1] in {b"400", b"404"}


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
def test_a_request_that_can_be_read_in_two_ways_is_refused(gate: Gate, head: bytes) -> None:
    head = head.replace(b"{token}", gate.token("alice").encode())
    answer = raw(gate, b"GET " + PODS.encode() + b" HTTP/1.1\r\nHost: g\r\n" + head + b"\r\n\r\nx")
    assert answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))


def test_a_token_for_another_cluster_is_refused(gate: Gate, kubernetes: Kubernetes) -> None:
    gate.run(
        *(
            "cluster",
            "add",
            "other",
            "--server",
            kubernetes.servers[0].replace("127.0.0.1", "localhost"),
        ),
        *("--ca-file", str(kubernetes.ca_file)),
        *("--token-file", str(_impersonator_token(gate, kubernetes))),
    )
    scoped = gate.token("root", "--cluster", "other")
    until(lambda: gate.ask("GET", "/k8s/clusters/other/version", token=scoped).status == 200, 2)
    refused = gate.ask("GET", PODS, token=scoped)
    assert refused.status == 403
    assert "is not for cluster" in refused.json()["message"]
    assert gate.ask("GET", "/v1/tokens", token=scoped).status == 403


def _impersonator_token(gate: Gate, kubernetes: Kubernetes) -> Path:
    file = gate.folder / "impersonator.token"
    token = kubectl(
        kubernetes.admin_kubeconfig,
        "-n",
        "sekisho-system",
        "create",
        "token",
        "sekisho-impersonator",
    )
    file.write_text(token.stdout)
    return file


def test_a_read_only_token_reads_asks_about_itself_and_nothing_else(gate: Gate) -> None:
    token = gate.token("alice", "--read-only")
    assert gate.ask("GET", PODS, token=token).status == 200
    assert gate.ask("POST", WHOAMI, token=token, body=REVIEW).status == 201
    assert gate.ask("POST", PODS, token=token, body={}).status == 403
    assert gate.ask("DELETE", f"{PODS}/x", token=token).status == 403
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    assert gate.ask("GET", f"{PODS}/x/exec", token=token, headers=upgrade).status == 403
    assert gate.ask("GET", f"{PODS}/x/proxy/", token=token).status == 403


def test_a_revoked_token_and_a_taken_grant_are_out_within_a_second(gate: Gate) -> None:
    token = gate.token("carol")
    assert gate.ask("GET", PODS, token=token).status == 200
    gate.run("cluster", "revoke", "test", "--user", "carol")
    until(lambda: gate.ask("GET", PODS, token=token).status == 404, 1.5)
    gate.run("cluster", "grant", "test", "--user", "carol", "--role", "read-only")
    until(lambda: gate.ask("GET", PODS, token=token).status == 200, 1.5)
    gate.run("token", "revoke", token)
    until(lambda: gate.ask("GET", PODS, token=token).status == 401, 1.5)


def test_a_disabled_user_is_out_within_a_second(gate: Gate) -> None:
    user_id = gate.create_user("erin", "--admin")
    token = gate.token("erin")
    assert gate.ask("GET", PODS, token=token).status == 200
    gate.run("user", "disable", user_id)
    until(lambda: gate.ask("GET", PODS, token=token).status == 401, 1.5)


def test_requests_are_counted_by_cluster_verb_and_code(gate: Gate) -> None:
    def count(verb: str, code: int) -> float:
        labels = f'cluster="test",code="{code}",verb="{verb}"'
        return gate.metric(f"sekisho_requests_total{{{labels}}}")

    before = count("list", 200), count("get", 404), count("create", 403)
    token = gate.token("carol")
    gate.ask("GET", PODS, token=token)
    gate.ask("GET", f"{PODS}/none", token=token)
    gate.ask("POST", PODS, token=token, body={})
    assert (count("list", 200), count("get", 404), count("create", 403)) == tuple(
        one + 1 for one in before
    )
    accepted = gate.metric('sekisho_authentications_total{outcome="accepted",provider="local"}')
    assert accepted > 0
    assert gate.metric('sekisho_upstream_connections{cluster="test"}') > 0
    duration = 'sekisho_request_duration_seconds_count{cluster="test",verb="list"}'
    assert gate.metric(duration) > 0


def test_a_watch_is_seen_while_it_is_open(gate: Gate, namespace: str) -> None:
    def open_watches() -> float:
        return gate.metric('sekisho_open_watches{cluster="test"}')

    before = open_watches()
    with start_kubectl(gate.configs["alice"], "-n", namespace, "get", "cm", "-w") as watch:
        until(lambda: open_watches() == before + 1, 10)
        watch.terminate()
    until(lambda: open_watches() == before, 5)
    until(lambda: gate.metric("sekisho_requests_in_flight") == 0, 5)


def test_the_access_log_says_who_did_what_and_no_secret(gate: Gate) -> None:
    token = gate.token("alice")
    asked = gate.ask(
        "GET", f"{PODS}?labelSelector=a%3Db", token=token, headers={"X-Request-Id": "log-me-12345"}
    )
    assert asked.headers["X-Request-Id"] == "log-me-12345"
    until(lambda: "log-me-12345" in gate.log, 5)
    [line] = [one for one in gate.log.splitlines() if "log-me-12345" in one]
    entry = json.loads(line)
    assert entry["user"] == gate.users["alice"]
    assert (entry["cluster"], entry["verb"], entry["code"]) == ("test", "list", 200)
    assert entry["path"] == PODS
    assert "labelSelector" not in gate.log
    assert token.partition(":")[2] not in gate.log


def test_health_is_told_on_both_listeners(gate: Gate) -> None:
    assert gate.ask("GET", "/healthz").body == b"ok"
    assert gate.ask("GET", "/readyz").body == b"ok"
    verbose = gate.ask("GET", "/readyz?verbose").body.decode()
    assert verbose == ("[+]store ok\n[+]shutdown ok\n[+]provider/local ok\nreadyz check passed\n")


def test_a_generated_kubeconfig_with_exec_signs_in_by_itself(gate: Gate, tmp_path: Path) -> None:
    gate.environment["XDG_CONFIG_HOME"] = str(tmp_path / "config")
    ca = str(gate.folder / "data" / "tls" / "ca.crt")
    signed_in = gate.run(
        *("login", "--server", gate.url, "--provider", "local", "--username", "alice"),
        *("--password-stdin", "--ca-file", ca),
        stdin="correct horse battery staple\n",
    )
    assert "signed in as" in signed_in.stdout
    config = tmp_path / "exec.kubeconfig"
    config.write_text(gate.run("kubeconfig", "test", "--user", "alice", "--exec").stdout)
    assert "token:" not in config.read_text()
    import sys

    env = {
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/local/bin",
    }
    done = kubectl(config, "get", "namespaces", env=env)
    assert done.returncode == 0, done.stderr
    gate.run("logout", "--server", gate.url, "--ca-file", ca)
    done = kubectl(config, "get", "namespaces", env=env)
    assert "sekisho login" in done.stderr


@pytest.fixture
def own(tmp_path: Path, kubernetes: Kubernetes) -> Sekisho:
    """A Sekisho of the test's own, to be stopped; root administers."""
    sekisho = make_sekisho(tmp_path, (free_port(), free_port()))
    sekisho.run("cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig))
    sekisho.start()
    sekisho.create_user("root", "--admin")
    return sekisho


def test_a_stop_lets_requests_finish_and_exits_with_0(
    own: Sekisho, running_pod: Callable[..., Pod], namespace: str
) -> None:
    running_pod("slow", namespace)
    codes: list[int] = []
    command = ("-n", namespace, "exec", "slow", "--", "sh", "-c", "echo on; sleep 3; echo done")
    with start_kubectl(own.kubeconfig("root"), *command) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "on\n"
        stopper = threading.Thread(target=lambda: codes.append(own.stop()))
        stopper.start()
        assert running.stdout.readline() == "done\n"
        assert running.wait(20) == 0
        stopper.join(20)
    assert codes == [0]
    assert '"stopped"' in own.log


def test_a_stop_ends_watches_cleanly_and_at_once(own: Sekisho) -> None:
    # kubectl's --raw takes the path from the root of the host, gate included.
    path = "/k8s/clusters/test/api/v1/namespaces?watch=1&timeoutSeconds=60"
    with start_kubectl(own.kubeconfig("root"), "get", "--raw", path) as watch:
        until(lambda: own.metric('sekisho_open_watches{cluster="test"}') == 1, 10)
        started = time.monotonic()
        assert own.stop() == 0
        assert time.monotonic() - started < 10
        assert watch.wait(20) == 0
        assert watch.stderr is not None
        assert watch.stderr.read() == ""


def test_two_replicas_over_postgresql_agree_within_a_second(
    tmp_path: Path, kubernetes: Kubernetes, postgres_database: str
) -> None:
    replicas = []
    (tmp_path / "keys").write_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        extra = f"store: {{url: '{postgres_database}', encryption_keys_file: ../keys}}\n"
        replicas.append(make_sekisho(folder, (free_port(), free_port()), extra))
    first, second = replicas
    first.run("cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig))
    for replica in replicas:
        replica.start()
    try:
        first.create_user("root", "--admin")
        token = first.token("root")
        for replica in replicas:
            assert replica.ask("GET", PODS, token=token).status == 200
        name = token.partition(":")[0]
        assert first.ask("DELETE", f"/v1/tokens/{name}", token=token).status == 204
        assert first.ask("GET", PODS, token=token).status == 401
        until(lambda: second.ask("GET", PODS, token=token).status == 401, 1.0)
    finally:
        for replica in replicas:
            replica.stop()


def test_the_metrics_tell_of_the_token_cache_and_of_each_api_server(
    gate: Gate, kubernetes: Kubernetes
) -> None:
    def cache() -> tuple[float, float]:
        return (
            gate.metric("sekisho_token_cache_hits_total"),
            gate.metric("sekisho_token_cache_misses_total"),
        )

    token = gate.token("alice")
    hits, misses = cache()
    for _ in range(3):
        assert gate.ask("GET", PODS, token=token).status == 200
    later = cache()
    assert later[0] >= hits + 2
    assert later[1] >= misses + 1
    assert gate.metric("sekisho_token_cache_entries") >= 1
    master = kubernetes.servers[0].removeprefix("https://")
    labels = f'cluster="test",master="{master}"'
    assert gate.metric(f"sekisho_upstream_master_healthy{{{labels}}}") == 1
    assert gate.metric('sekisho_sent_bytes_total{cluster="test"}') > 0
