"""The audit log of a running server, in front of a real kube-apiserver."""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from management.http.request_notes import REJECTED
from proxy.demo.fake_kubelet import Pod
from tests.support.kubernetes import Kubernetes, kubectl, start_kubectl
from tests.support.log_lines import audit_events, await_audit_event
from tests.support.sekisho import PASSWORD, Sekisho, free_port, make_sekisho, running

PODS = "/k8s/clusters/test/api/v1/namespaces/default/pods"
RULES = """
audit:
  rules:
    - {level: None, resources: [leases.coordination.k8s.io]}
    - {level: None, non_resource_urls: ["/healthz*", "/v1/me"]}
"""


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory, kubernetes: Kubernetes) -> Iterator[Sekisho]:
    """Yield a server with audit rules: root is an administrator, bob has no access."""
    sekisho = make_sekisho(tmp_path_factory.mktemp("audited"), (free_port(), free_port()), RULES)
    sekisho.change(
        "admin", "cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig)
    )
    with running(sekisho):
        sekisho.create_user("root", "--admin")
        sekisho.create_user("bob")
        yield sekisho


@pytest.fixture(scope="module")
def root(audited: Sekisho) -> str:
    return audited.token("root")


def log_of(sekisho: Sekisho) -> Path:
    return sekisho.folder / "data" / "audit.log"


def test_request_logs_an_event_with_its_request_id(audited: Sekisho, root: str) -> None:
    response = audited.request(
        "GET", f"{PODS}?limit=1", token=root, headers={"User-Agent": "test/1"}
    )
    request_id = response.headers["X-Request-Id"]
    seen = await_audit_event(audited, request_id)
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
    ("user", "target", "code", "reason"),
    [
        ("anonymous", PODS, 401, "no credential"),
        ("bob", PODS, 404, "that you may enter"),
        ("root", "/k8s/clusters/test/api/../x", 400, "dot segment"),
        ("root", "/k8s/clusters/nope/api", 404, "that you may enter"),
    ],
)
def test_rejected_request_logs_an_event_with_the_reason(
    audited: Sekisho, root: str, user: str, target: str, code: int, reason: str
) -> None:
    token = {"anonymous": None, "bob": audited.token("bob"), "root": root}[user]
    response = audited.request("GET", target, token=token)
    assert response.status == code
    request_id = response.headers["X-Request-Id"]
    seen = await_audit_event(audited, request_id)
    assert seen["responseStatus"]["code"] == code
    assert seen["annotations"]["sekisho.io/answered-by"] == "sekisho"
    assert reason in seen["annotations"]["sekisho.io/reason"]


def test_watch_logs_an_event_at_its_start_and_at_its_end(audited: Sekisho, namespace: str) -> None:
    def of_watch(stage: str) -> Callable[[dict[str, Any]], bool]:
        return lambda one: (
            one["verb"] == "watch"
            and one["stage"] == stage
            and one["objectRef"].get("namespace") == namespace
        )

    arguments = ("-n", namespace, "get", "configmaps", "--watch-only")
    with start_kubectl(audited.kubeconfig("root"), *arguments) as watch:
        started = await_audit_event(audited, of_watch("ResponseStarted"))
        assert not any(of_watch("ResponseComplete")(one) for one in audit_events(audited))
        watch.terminate()
    ended = await_audit_event(audited, of_watch("ResponseComplete"))
    assert started["auditID"] == ended["auditID"]
    assert started["responseStatus"]["code"] == ended["responseStatus"]["code"] == 200


def test_exec_is_logged_without_its_command(
    audited: Sekisho, running_pod: Callable[..., Pod], namespace: str
) -> None:
    running_pod("web", namespace)
    command = ("exec", "web", "--", "echo", "a-secret-in-a-command")
    done = kubectl(audited.kubeconfig("root"), "-n", namespace, *command)
    assert done.stdout == "a-secret-in-a-command\n"
    seen = await_audit_event(
        audited, lambda one: one["verb"] == "connect" and one["stage"] == "ResponseComplete"
    )
    assert seen["objectRef"]["subresource"] == "exec"
    assert seen["objectRef"]["name"] == "web"
    assert seen["responseStatus"]["code"] == 101
    assert "a-secret-in-a-command" not in log_of(audited).read_text()


def test_impersonated_user_is_logged_with_the_original_user(audited: Sekisho) -> None:
    done = kubectl(audited.kubeconfig("root"), "get", "ns", "--as", "jane", "--as-group", "dev")
    assert "jane" in done.stderr
    seen = await_audit_event(audited, lambda one: "impersonatedUser" in one and "objectRef" in one)
    assert seen["impersonatedUser"]["username"] == "jane"
    assert seen["impersonatedUser"]["groups"] == ["dev"]
    assert seen["user"]["extra"]["username"] == ["root"]
    assert seen["responseStatus"]["code"] == 403


def test_sign_in_and_token_creation_are_logged(audited: Sekisho) -> None:
    wrong = {"username": "bob", "password": "not-the-password"}
    refused = audited.request("POST", "/v1/login/local", body=wrong)
    right = audited.request("POST", "/v1/login/local", body=wrong | {"password": PASSWORD})
    made = audited.request("POST", "/v1/tokens", token=right.json()["token"], body={})
    assert (refused.status, right.status, made.status) == (401, 200, 201)

    def event_of(response: Any) -> dict[str, Any]:
        request_id = response.headers["X-Request-Id"]
        return await_audit_event(audited, request_id)

    assert event_of(refused)["user"]["username"] == "system:anonymous"
    assert event_of(refused)["annotations"]["sekisho.io/provider"] == "local"
    assert f"sekisho.io/{REJECTED}" in event_of(refused)["annotations"]
    user = right.json()["user"]["id"]
    assert event_of(right)["annotations"]["sekisho.io/user"] == user
    assert event_of(made)["user"]["username"] == user
    assert (event_of(made)["verb"], event_of(made)["requestURI"]) == ("post", "/v1/tokens")


def test_request_excluded_by_a_rule_is_not_logged(audited: Sekisho, root: str) -> None:
    leases = "/k8s/clusters/test/apis/coordination.k8s.io/v1/leases"
    left_out = [
        audited.request("GET", path, token=root).headers["X-Request-Id"]
        for path in (leases, "/v1/me", "/k8s/clusters/test/healthz")
    ]
    last = audited.request("GET", PODS, token=root).headers["X-Request-Id"]
    await_audit_event(audited, last)
    assert not [one for one in audit_events(audited) if one["auditID"] in left_out]


def test_audit_log_contains_no_secret_and_is_readable_by_its_owner_only(
    audited: Sekisho, root: str
) -> None:
    """Check that the flaw of GHSA-xfj7-qf8w-2gcr does not exist here."""
    secret = root.partition(":")[2]
    sent = {"Cookie": f"a={secret}", "X-Api-Key": secret}
    target = f"{PODS}?token={secret}&limit=1"
    response = audited.request("POST", target, token=root, headers=sent, body={"data": secret})
    request_id = response.headers["X-Request-Id"]
    seen = await_audit_event(audited, request_id)
    assert seen["requestURI"].endswith("/pods?token=[redacted]&limit=1")
    text = log_of(audited).read_text()
    assert secret not in text
    assert PASSWORD not in text
    assert "not-the-password" not in text
    assert stat.S_IMODE(log_of(audited).stat().st_mode) == 0o600


def test_audit_log_goes_to_standard_output_or_is_off_as_configured(tmp_path: Path) -> None:
    for output, logged in (("stdout", True), ("none", False)):
        folder = tmp_path / output
        folder.mkdir()
        extra = f"audit: {{output: {output}}}\n"
        sekisho = make_sekisho(folder, (free_port(), free_port()), extra)
        sekisho.start()
        sekisho.request("GET", "/v1/me")
        sekisho.stop()
        assert ('"requestURI":"/v1/me"' in sekisho.output) == logged
        assert not log_of(sekisho).exists()


def test_unwritable_audit_file_fails_the_start(tmp_path: Path) -> None:
    sekisho = make_sekisho(
        tmp_path, (free_port(), free_port()), "audit: {file: missing/audit.log}\n"
    )
    done = sekisho.run("serve", check=False)
    assert done.returncode == 1
    assert "audit.file" in done.stderr
    assert f"{tmp_path}/missing/audit.log" in done.stderr
    assert len(done.stderr.splitlines()) == 1
