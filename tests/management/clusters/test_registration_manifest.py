"""A cluster registers itself by what ``kubectl apply`` makes in it."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.management.clusters.conftest import OwnCluster
from tests.parts.kubernetes import kubectl
from tests.parts.sekisho import Sekisho, free_port, make_sekisho

REGISTRAR = "/api/v1/namespaces/sekisho-system/serviceaccounts/sekisho-registrar/token"
NAMES = ("name", "servers")


@pytest.fixture
def server(clean: OwnCluster, tmp_path: Path) -> Iterator[Sekisho]:
    """A running Sekisho; nina may import clusters, and root administers."""
    made = make_sekisho(tmp_path, (free_port(), free_port()))
    made.start()
    made.create_user("root", "--admin")
    made.create_user("nina")
    body = {"role": "standard-user", "user": "nina"}
    assert made.ask("POST", "/v1/bindings", token=made.token("root"), body=body).status == 201
    yield made
    made.stop()


def manifest(server: Sekisho, kubernetes: OwnCluster) -> str:
    body = {"name": "self", "servers": kubernetes.servers}
    answer = server.ask("POST", "/v1/registrations", token=server.token("nina"), body=body)
    assert answer.status == 201, answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.body.decode()


def run_the_job(server: Sekisho, kubernetes: OwnCluster, folder: Path) -> tuple[int, str]:
    """What the Job's pod would do: no node of these tests runs any."""
    account = folder / "account"
    account.mkdir(exist_ok=True)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = kubernetes.ask("POST", REGISTRAR, request)["status"]["token"]
    (account / "token").write_text(token)
    (account / "ca.crt").write_bytes(kubernetes.ca_pem)
    secret = kubernetes.ask("GET", "/api/v1/namespaces/sekisho-system/secrets/sekisho-registrar")
    for name, value in secret["data"].items():
        (account / name.replace("ca.crt", "server-ca.crt")).write_bytes(base64.b64decode(value))
    host, _, port = kubernetes.servers[0].removeprefix("https://").partition(":")
    server.environment |= {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    done = server.run(
        *("register", "--server", server.url, "--code-file", str(account / "code")),
        *("--ca-file", str(account / "server-ca.crt"), "--service-account", str(account)),
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_cluster_registers_itself_once(
    server: Sekisho, clean: OwnCluster, tmp_path: Path
) -> None:
    (tmp_path / "register.yaml").write_text(manifest(server, clean))
    applied = kubectl(clean.admin_kubeconfig, "apply", "-f", str(tmp_path / "register.yaml"))
    assert applied.returncode == 0, applied.stderr
    assert "job.batch/sekisho-registrar created" in applied.stdout
    assert run_the_job(server, clean, tmp_path) == (0, f"registered with {server.url}\n")
    nina = server.token("nina")
    [cluster] = server.ask("GET", "/v1/clusters", token=nina).json()["items"]
    assert (cluster["name"], cluster["role"]) == ("self", "owner")
    assert (cluster["credential_source"], cluster["servers"]) == ("token-request", clean.servers)
    assert server.ask("GET", "/k8s/clusters/self/api/v1/nodes", token=nina).status == 200
    code, said = run_the_job(server, clean, tmp_path)
    assert (code, "used already" in said) == (1, True)


def test_the_jobs_account_may_do_nothing_else(
    server: Sekisho, clean: OwnCluster, tmp_path: Path
) -> None:
    (tmp_path / "register.yaml").write_text(manifest(server, clean))
    kubectl(clean.admin_kubeconfig, "apply", "-f", str(tmp_path / "register.yaml"))
    who = "system:serviceaccount:sekisho-system:sekisho-registrar"
    for question in (("get", "secrets", "-A"), ("impersonate", "users"), ("create", "pods", "-A")):
        assert not clean.can_i(who, *question)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"code": "forged"}, 403),
        ({"impersonator_token": "nonsense"}, 502),
        ({"ca_pem": "nonsense"}, 502),
        ({"extra": 1}, 422),
    ],
)
def test_what_is_not_as_it_should_be_adds_no_cluster(
    server: Sekisho, clean: OwnCluster, change: dict[str, object], status: int
) -> None:
    documents = list(yaml.safe_load_all(manifest(server, clean)))
    [secret] = [one for one in documents if one["kind"] == "Secret"]
    body: dict[str, object] = {
        "code": secret["stringData"]["code"],
        "ca_pem": clean.ca_pem.decode(),
        "impersonator_token": "x.y.z",
        "controller_token": "x.y.z",
    }
    answer = server.ask("POST", "/v1/registrations/complete", body=body | change)
    assert answer.status == status, answer.body
    assert server.ask("GET", "/v1/clusters", token=server.token("root")).json()["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"name": "self"},
        {"name": "Not A Name", "servers": ["https://a"]},
        {"name": "self", "servers": ["http://a"]},
        {"name": "self", "servers": []},
        {"name": "self", "servers": ["https://a"], "image": "two words"},
    ],
)
def test_a_registration_that_can_not_be_is_refused(server: Sekisho, body: object) -> None:
    token = server.token("root")
    assert server.ask("POST", "/v1/registrations", token=token, body=body).status == 422
