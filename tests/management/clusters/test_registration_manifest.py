"""A cluster registers itself with the applied manifests."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from proxy.demo.local_cluster import RequestError
from tests.management.conftest import OwnCluster
from tests.support.kubernetes import kubectl
from tests.support.sekisho import Sekisho, free_port, make_sekisho, running
from tests.support.waiting import wait_until

REGISTRAR = "/api/v1/namespaces/sekisho-system/serviceaccounts/sekisho-registrar/token"
NAMES = ("name", "servers")


@pytest.fixture
def server(clean: OwnCluster, tmp_path: Path) -> Iterator[Sekisho]:
    """A running Sekisho. nina may import clusters, and root is an administrator."""
    made = make_sekisho(tmp_path, (free_port(), free_port()))
    with running(made):
        made.create_user("root", "--admin")
        made.create_user("nina")
        body = {"role": "standard-user", "user": "nina"}
        assert (
            made.request("POST", "/v1/bindings", token=made.token("root"), body=body).status == 201
        )
        yield made


def manifest(server: Sekisho, kubernetes: OwnCluster) -> str:
    body = {"name": "self", "servers": kubernetes.servers}
    answer = server.request("POST", "/v1/registrations", token=server.token("nina"), body=body)
    assert answer.status == 201, answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.body.decode()


def run_the_job(server: Sekisho, kubernetes: OwnCluster, folder: Path) -> tuple[int, str]:
    """Run the command of the Job's pod, because the test cluster has no nodes."""
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


def test_cluster_registers_itself_once(server: Sekisho, clean: OwnCluster, tmp_path: Path) -> None:
    (tmp_path / "register.yaml").write_text(manifest(server, clean))
    applied = kubectl(clean.admin_kubeconfig, "apply", "-f", str(tmp_path / "register.yaml"))
    assert applied.returncode == 0, applied.stderr
    assert "job.batch/sekisho-registrar-" in applied.stdout
    assert run_the_job(server, clean, tmp_path) == (0, f"registered with {server.url}\n")
    nina = server.token("nina")
    [cluster] = server.request("GET", "/v1/clusters", token=nina).json()["items"]
    assert (cluster["name"], cluster["role"]) == ("self", "owner")
    assert (cluster["credential_source"], cluster["servers"]) == ("token-request", clean.servers)
    assert server.request("GET", "/k8s/clusters/self/api/v1/nodes", token=nina).status == 200
    for path in REGISTRARS:
        assert not there(clean, path), "it may make the tokens of both accounts"
    body = {
        "code": (tmp_path / "account" / "code").read_text(),
        "ca_pem": clean.ca_pem.decode(),
        "impersonator_token": "x.y.z",
        "controller_token": "x.y.z",
    }
    again = server.request("POST", "/v1/registrations/complete", body=body)
    assert (again.status, "used already" in str(again.body)) == (403, True)


def test_registrar_is_removed_after_an_outage(
    server: Sekisho, clean: OwnCluster, tmp_path: Path
) -> None:
    """If an operator applies the manifest again, the controllers remove the registrar as well."""
    (tmp_path / "register.yaml").write_text(manifest(server, clean))
    kubectl(clean.admin_kubeconfig, "apply", "-f", str(tmp_path / "register.yaml"))
    assert run_the_job(server, clean, tmp_path)[0] == 0
    server.stop()
    kubectl(clean.admin_kubeconfig, "apply", "-f", str(tmp_path / "register.yaml"))
    assert all(there(clean, path) for path in REGISTRARS)
    server.start()
    wait_until(lambda: not any(there(clean, path) for path in REGISTRARS), 120)


def test_rejected_registration_removes_its_own_rights(
    server: Sekisho, clean: OwnCluster, tmp_path: Path
) -> None:
    (tmp_path / "register.yaml").write_text(manifest(server, clean))
    kubectl(clean.admin_kubeconfig, "apply", "-f", str(tmp_path / "register.yaml"))
    path = "/api/v1/namespaces/sekisho-system/secrets/sekisho-registrar"
    clean.ask("PATCH", path, {"stringData": {"code": "ended"}})
    assert run_the_job(server, clean, tmp_path)[0] == 1
    who = "system:serviceaccount:sekisho-system:sekisho-registrar"
    account = "serviceaccounts/sekisho-controller"
    question = ("create", account, "--subresource=token", "-n", "sekisho-system")
    wait_until(lambda: not clean.can_i(who, *question), 120)


RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/sekisho-system"
REGISTRARS = [
    f"{RBAC}/rolebindings/sekisho-registrar",
    f"{RBAC}/roles/sekisho-registrar",
    "/api/v1/namespaces/sekisho-system/serviceaccounts/sekisho-registrar",
    "/api/v1/namespaces/sekisho-system/secrets/sekisho-registrar",
]


def there(cluster: OwnCluster, path: str) -> bool:
    """Return whether the object exists in the cluster."""
    try:
        cluster.ask("GET", path)
    except RequestError as exc:
        if exc.status != 404:
            raise
        return False
    return True


def test_registrar_account_has_no_other_rights(
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
def test_invalid_registration_adds_no_cluster(
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
    answer = server.request("POST", "/v1/registrations/complete", body=body | change)
    assert answer.status == status, answer.body
    assert server.request("GET", "/v1/clusters", token=server.token("root")).json()["items"] == []


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
def test_registration_that_cannot_work_is_rejected(server: Sekisho, body: object) -> None:
    token = server.token("root")
    assert server.request("POST", "/v1/registrations", token=token, body=body).status == 422
