"""The audit log of a running server, in front of a real kube-apiserver."""

import json
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.demo.kubelet import Pod
from tests.parts.kubernetes import Kubernetes, kubectl, start_kubectl
from tests.parts.sekisho import PASSWORD, Sekisho, free_port, make_sekisho

PODS = "/k8s/clusters/test/api/v1/namespaces/default/pods"
RULES = """
audit:
  rules:
    - {level: None, resources: [leases.coordination.k8s.io]}
    - {level: None, non_resource_urls: ["/healthz*", "/v1/me"]}
"""


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory, kubernetes: Kubernetes) -> Iterator[Sekisho]:
    """A server with rules of its own; root administers, bob has no access."""
    sekisho = make_sekisho(tmp_path_factory.mktemp("audited"), (free_port(), free_port()), RULES)
    sekisho.run("cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig))
    sekisho.start()
    sekisho.create_user("root", "--admin")
    sekisho.create_user("bob")
    yield sekisho
    sekisho.stop()


@pytest.fixture(scope="module")
def root(audited: Sekisho) -> str:
    return audited.token("root")


def log_of(sekisho: Sekisho) -> Path:
    return sekisho.folder / "data" / "audit.log"


def events(sekisho: Sekisho) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log_of(sekisho).read_text().splitlines()]


def wait_for(
    sekisho: Sekisho, wanted: Callable[[dict[str, Any]], bool], seconds: float = 20
) -> dict[str, Any]:
    """The first event that is wanted."""
    deadline = time.monotonic() + seconds
    while True:
        found = [one for one in events(sekisho) if wanted(one)]
        if found:
            return found[0]
        assert time.monotonic() < deadline, "there is no such event"
        time.sleep(0.02)


def test_a_request_is_an_event_that_names_it_by_its_id(audited: Sekisho, root: str) -> None:
    answer = audited.ask("GET", f"{PODS}?limit=1", token=root, headers={"User-Agent": "test/1"})
    request_id = answer.headers["X-Request-Id"]
    seen = wait_for(audited, lambda one: one["auditID"] == request_id)
    assert (seen["verb"], seen["stage"]) == ("list", "ResponseComplete")
    assert seen["requestURI"] == "/api/v1/namespaces/default/pods?limit=1"
    assert seen["objectRef"] == {
        "resource": "pods",
        "namespace": "default",
        "apiVersion": "v1",
    }
    assert seen["user"]["extra"]["username"] == ["root"]
    credential = seen["user"]["extra"]["authentication.kubernetes.io/credential-id"]
    assert credential == [root.partition(":")[0]]
    assert seen["userAgent"] == "test/1"
    assert seen["responseStatus"]["code"] == 200
    assert seen["annotations"]["sekisho.io/cluster"] == "test"


@pytest.mark.parametrize(
    ("who", "target", "code", "reason"),
    [
        ("nobody", PODS, 401, "no credential"),
        ("bob", PODS, 404, "not found"),
        ("root", "/k8s/clusters/test/api/../x", 400, "dot segment"),
        ("root", "/k8s/clusters/nope/api", 404, "not found"),
    ],
)
def test_what_the_gate_refuses_is_an_event_with_the_reason(
    audited: Sekisho, root: str, who: str, target: str, code: int, reason: str
) -> None:
    token = {"nobody": None, "bob": audited.token("bob"), "root": root}[who]
    answer = audited.ask("GET", target, token=token)
    assert answer.status == code
    request_id = answer.headers["X-Request-Id"]
    seen = wait_for(audited, lambda one: one["auditID"] == request_id)
    assert seen["responseStatus"]["code"] == code
    assert seen["annotations"]["sekisho.io/answered-by"] == "sekisho"
    assert reason in seen["annotations"]["sekisho.io/reason"]


def test_a_watch_is_told_of_when_it_begins_and_when_it_ends(
    audited: Sekisho, namespace: str
) -> None:
    def of_watch(stage: str) -> Callable[[dict[str, Any]], bool]:
        return lambda one: (
            one["verb"] == "watch"
            and one["stage"] == stage
            and one["objectRef"].get("namespace") == namespace
        )

    arguments = ("-n", namespace, "get", "configmaps", "--watch-only")
    with start_kubectl(audited.kubeconfig("root"), *arguments) as watch:
        started = wait_for(audited, of_watch("ResponseStarted"))
        assert not any(of_watch("ResponseComplete")(one) for one in events(audited))
        watch.terminate()
    ended = wait_for(audited, of_watch("ResponseComplete"))
    assert started["auditID"] == ended["auditID"]
    assert started["responseStatus"]["code"] == ended["responseStatus"]["code"] == 200


def test_an_exec_is_told_of_without_its_command(
    audited: Sekisho, running_pod: Callable[..., Pod], namespace: str
) -> None:
    running_pod("web", namespace)
    command = ("exec", "web", "--", "echo", "a-secret-in-a-command")
    done = kubectl(audited.kubeconfig("root"), "-n", namespace, *command)
    assert done.stdout == "a-secret-in-a-command\n"
    seen = wait_for(
        audited, lambda one: one["verb"] == "connect" and one["stage"] == "ResponseComplete"
    )
    assert seen["objectRef"]["subresource"] == "exec"
    assert seen["objectRef"]["name"] == "web"
    assert seen["responseStatus"]["code"] == 101
    assert "a-secret-in-a-command" not in log_of(audited).read_text()


def test_on_whose_behalf_is_told(audited: Sekisho) -> None:
    done = kubectl(audited.kubeconfig("root"), "get", "ns", "--as", "jane", "--as-group", "dev")
    assert "jane" in done.stderr
    seen = wait_for(audited, lambda one: "impersonatedUser" in one and "objectRef" in one)
    assert seen["impersonatedUser"]["username"] == "jane"
    assert seen["impersonatedUser"]["groups"] == ["dev"]
    assert seen["user"]["extra"]["username"] == ["root"]
    assert seen["responseStatus"]["code"] == 403


def test_signing_in_and_out_and_tokens_are_told_of_too(audited: Sekisho) -> None:
    wrong = {"username": "bob", "password": "not-the-password"}
    refused = audited.ask("POST", "/v1/login/local", body=wrong)
    right = audited.ask("POST", "/v1/login/local", body=wrong | {"password": PASSWORD})
    made = audited.ask("POST", "/v1/tokens", token=right.json()["token"], body={})
    assert (refused.status, right.status, made.status) == (401, 200, 201)

    def told(answer: Any) -> dict[str, Any]:
        request_id = answer.headers["X-Request-Id"]
        return wait_for(audited, lambda one: one["auditID"] == request_id)

    assert told(refused)["user"]["username"] == "system:anonymous"
    assert told(refused)["annotations"]["sekisho.io/provider"] == "local"
    user = right.json()["user"]["id"]
    assert told(right)["annotations"]["sekisho.io/user"] == user
    assert told(made)["user"]["username"] == user
    assert (told(made)["verb"], told(made)["requestURI"]) == ("post", "/v1/tokens")


def test_what_the_rules_leave_out_is_left_out(audited: Sekisho, root: str) -> None:
    leases = "/k8s/clusters/test/apis/coordination.k8s.io/v1/leases"
    left_out = [
        audited.ask("GET", path, token=root).headers["X-Request-Id"]
        for path in (leases, "/v1/me", "/k8s/clusters/test/healthz")
    ]
    last = audited.ask("GET", PODS, token=root).headers["X-Request-Id"]
    wait_for(audited, lambda one: one["auditID"] == last)
    assert not [one for one in events(audited) if one["auditID"] in left_out]


def test_there_is_no_secret_in_it_and_nobody_else_may_read_it(audited: Sekisho, root: str) -> None:
    """GHSA-xfj7-qf8w-2gcr."""
    secret = root.partition(":")[2]
    sent = {"Cookie": f"a={secret}", "X-Api-Key": secret}
    target = f"{PODS}?token={secret}&limit=1"
    answer = audited.ask("POST", target, token=root, headers=sent, body={"data": secret})
    request_id = answer.headers["X-Request-Id"]
    seen = wait_for(audited, lambda one: one["auditID"] == request_id)
    assert seen["requestURI"].endswith("/pods?token=[redacted]&limit=1")
    text = log_of(audited).read_text()
    assert secret not in text
    assert PASSWORD not in text
    assert "not-the-password" not in text
    assert stat.S_IMODE(log_of(audited).stat().st_mode) == 0o600


def test_it_may_go_to_standard_output_or_nowhere(tmp_path: Path) -> None:
    for where, there in (("stdout", True), ("none", False)):
        folder = tmp_path / where
        folder.mkdir()
        extra = f"audit: {{to: {where}}}\n"
        sekisho = make_sekisho(folder, (free_port(), free_port()), extra)
        sekisho.start()
        sekisho.ask("GET", "/v1/me")
        sekisho.stop()
        assert ('"requestURI":"/v1/me"' in sekisho.output) == there
        assert not log_of(sekisho).exists()


def test_a_file_that_cannot_be_written_is_an_error_at_the_start(tmp_path: Path) -> None:
    sekisho = make_sekisho(
        tmp_path, (free_port(), free_port()), "audit: {file: missing/audit.log}\n"
    )
    done = sekisho.run("serve", check=False)
    assert done.returncode == 1
    assert "audit.file" in done.stderr
    assert f"{tmp_path}/missing/audit.log" in done.stderr
    assert len(done.stderr.splitlines()) == 1
