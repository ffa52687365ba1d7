"""Sign in at Active Directory and use a role binding for one of its groups in a cluster."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kubernetes import Kubernetes, kubectl
from tests.support.samba import PASSWORD, Samba, dn_of
from tests.support.sekisho import Sekisho, free_port, make_sekisho, running
from tests.support.waiting import wait_until

WHOAMI = "/k8s/clusters/test/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
RBAC = "/apis/rbac.authorization.k8s.io/v1"


@pytest.fixture(scope="module")
def sekisho(
    samba: Samba, kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sekisho]:
    """Yield a Sekisho that authenticates users with Active Directory."""
    folder = tmp_path_factory.mktemp("sekisho-ad")
    settings = samba.config(type="activedirectory", name="corp", ca_file=None, bind_password=None)
    settings |= {"bind_password_file": "bind-password", "ca_file": "ca.crt"}
    (folder / "bind-password").write_text(str(samba.config()["bind_password"]) + "\n")
    (folder / "ca.crt").write_bytes(samba.pki.ca.read_bytes())
    down = settings | {"name": "down", "servers": [f"ldaps://127.0.0.1:{free_port()}"]}
    providers = [{"type": "local", "name": "local"}, settings, down]
    made = make_sekisho(folder, (free_port(), free_port()), f"providers: {json.dumps(providers)}\n")
    made.run("check-config")
    made.change(
        "admin", "cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig)
    )
    with running(made):
        yield made


def sign_in(sekisho: Sekisho, name: str) -> str:
    """Sign a user in, grant read-only access to the cluster, and return the token."""
    body = {"username": f"CORP\\{name}", "password": PASSWORD}
    response = sekisho.request("POST", "/v1/login/corp", body=body)
    assert response.status == 200, response.body
    sekisho.change("admin", "cluster", "grant", "test", "--user", name, "--role", "read-only")
    return str(response.json()["token"])


def kubeconfig(sekisho: Sekisho, token: str) -> Path:
    """Write a kubeconfig with ``token`` and return its path."""
    file = sekisho.folder / f"{token.partition(':')[0]}.kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "me"}}],
        "users": [{"name": "me", "user": {"token": token}}],
        "clusters": [
            {
                "name": "test",
                "cluster": {
                    "server": f"{sekisho.url}/k8s/clusters/test",
                    "certificate-authority": str(sekisho.folder / "data" / "tls" / "ca.crt"),
                },
            }
        ],
    }
    file.write_text(json.dumps(config))
    return file


def test_role_binding_for_a_directory_group_grants_access_in_the_cluster(
    sekisho: Sekisho, samba: Samba, kubernetes: Kubernetes, namespace: str
) -> None:
    name = samba.create_user()
    inner = samba.create_group(dn_of(name))
    outer = samba.create_group(dn_of(inner))
    token = sign_in(sekisho, name)
    me = sekisho.request("GET", "/v1/me", token=token).json()
    assert me["principals"][0]["id"].startswith("activedirectory_user://")
    ids = {one["display_name"]: one["id"] for one in me["groups"]}
    assert {inner, outer, "Domain Users"} <= set(ids)

    config = kubeconfig(sekisho, token)
    create = ("-n", namespace, "create", "configmap", "made-by-a-group")
    assert "forbidden" in kubectl(config, *create).stderr
    binding = {
        "metadata": {"name": "from-the-directory"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "edit",
        },
        "subjects": [
            {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Group",
                "name": ids[outer],
            }
        ],
    }
    path = f"{RBAC}/namespaces/{namespace}/rolebindings"
    kubernetes.call(kubernetes.request("POST", path, binding))
    # The API server reads the binding a moment later.
    wait_until(lambda: kubectl(config, *create).returncode == 0, what="the binding's effect")
    review = json.loads(kubectl(config, "auth", "whoami", "-o", "json").stdout)
    info = review["status"]["userInfo"]
    assert {ids[inner], ids[outer]} <= set(info["groups"])
    assert info["extra"]["username"] == [name]


def test_thousand_directory_groups_are_sent_to_the_cluster(sekisho: Sekisho, samba: Samba) -> None:
    name = samba.create_user()
    ou = samba.create_group_chains(name, 200, 5)
    try:
        token = sign_in(sekisho, name)
        response = sekisho.request("POST", WHOAMI, token=token, body=REVIEW)
        assert response.status == 201, response.body
        groups = response.json()["status"]["userInfo"]["groups"]
        assert sum(one.startswith("activedirectory_group://") for one in groups) == 1002
        assert len(set(groups)) == 1004  # and the two groups of every authenticated user
    finally:
        samba.delete_tree(ou)


def test_login_when_one_directory_is_down_returns_503_and_other_providers_work(
    sekisho: Sekisho, samba: Samba
) -> None:
    name = samba.create_user()
    body = {"username": name, "password": PASSWORD}
    response = sekisho.request("POST", "/v1/login/down", body=body)
    assert response.status == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "127.0.0.1" not in response.body.decode()
    assert sekisho.request("POST", "/v1/login/corp", body=body).status == 200


def test_login_refusal_logs_the_reason_and_hides_it_from_the_caller(
    sekisho: Sekisho, samba: Samba
) -> None:
    disabled = samba.create_user(userAccountControl=514)
    responses = [
        sekisho.request("POST", "/v1/login/corp", body={"username": user, "password": word})
        for user, word in ((disabled, PASSWORD), (disabled, "wrong"), ("unknown-user", PASSWORD))
    ]
    assert [one.status for one in responses] == [401, 401, 401]
    bodies = [one.json() for one in responses]
    for one in bodies:
        one.pop("request_id", None)
    assert bodies[0] == bodies[1] == bodies[2]
    for reason in ("account_disabled", "wrong_password", "unknown_user"):
        assert f'"reason": "{reason}"' in sekisho.log or f'"reason":"{reason}"' in sekisho.log
    assert PASSWORD not in sekisho.log
    assert samba.config()["bind_password"] not in sekisho.log
