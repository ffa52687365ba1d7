"""From a sign-in at Active Directory to a role binding in a cluster, with everything in between."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.kubernetes import Kubernetes, kubectl
from tests.parts.samba import PASSWORD, Samba, dn_of
from tests.parts.sekisho import Sekisho, free_port, make_sekisho

WHOAMI = "/k8s/clusters/test/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
RBAC = "/apis/rbac.authorization.k8s.io/v1"


@pytest.fixture(scope="module")
def sekisho(
    samba: Samba, kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sekisho]:
    """A Sekisho whose people are in Active Directory."""
    folder = tmp_path_factory.mktemp("sekisho-ad")
    settings = samba.config(type="activedirectory", name="corp", ca_file=None, bind_password=None)
    settings |= {"bind_password_file": "bind-password", "ca_file": "ca.crt"}
    (folder / "bind-password").write_text(str(samba.config()["bind_password"]) + "\n")
    (folder / "ca.crt").write_bytes(samba.pki.ca.read_bytes())
    down = settings | {"name": "down", "servers": [f"ldaps://127.0.0.1:{free_port()}"]}
    providers = [{"type": "local", "name": "local"}, settings, down]
    made = make_sekisho(folder, (free_port(), free_port()), f"providers: {json.dumps(providers)}\n")
    made.run("check-config")
    made.run("cluster", "import", "test", "--kubeconfig", str(kubernetes.admin_kubeconfig))
    made.start()
    yield made
    made.stop()


def sign_in(sekisho: Sekisho, name: str) -> str:
    """A token of somebody who may enter the cluster."""
    body = {"username": f"CORP\\{name}", "password": PASSWORD}
    answer = sekisho.ask("POST", "/v1/login/corp", body=body)
    assert answer.status == 200, answer.body
    sekisho.run("cluster", "grant", "test", "--user", name, "--role", "read-only")
    return str(answer.json()["token"])


def kubeconfig(sekisho: Sekisho, token: str) -> Path:
    """A kubeconfig with that token."""
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


def test_a_group_of_the_directory_gives_rights_in_a_cluster(
    sekisho: Sekisho, samba: Samba, kubernetes: Kubernetes, namespace: str
) -> None:
    name = samba.user()
    inner = samba.group(dn_of(name))
    outer = samba.group(dn_of(inner))
    token = sign_in(sekisho, name)
    me = sekisho.ask("GET", "/v1/me", token=token).json()
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
    made = kubectl(config, *create)
    assert made.returncode == 0, made.stderr
    review = json.loads(kubectl(config, "auth", "whoami", "-o", "json").stdout)
    info = review["status"]["userInfo"]
    assert {ids[inner], ids[outer]} <= set(info["groups"])
    assert info["extra"]["username"] == [name]


def test_a_thousand_groups_reach_the_cluster(sekisho: Sekisho, samba: Samba) -> None:
    name = samba.user()
    ou = samba.chains(name, 200, 5)
    try:
        token = sign_in(sekisho, name)
        answer = sekisho.ask("POST", WHOAMI, token=token, body=REVIEW)
        assert answer.status == 201, answer.body
        groups = answer.json()["status"]["userInfo"]["groups"]
        assert sum(one.startswith("activedirectory_group://") for one in groups) == 1002
        assert len(set(groups)) == 1004  # and the two that everybody is in
    finally:
        samba.remove(ou)


def test_a_directory_that_is_down_is_told_so_and_harms_nobody_else(
    sekisho: Sekisho, samba: Samba
) -> None:
    name = samba.user()
    body = {"username": name, "password": PASSWORD}
    answer = sekisho.ask("POST", "/v1/login/down", body=body)
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "127.0.0.1" not in answer.body.decode()
    assert sekisho.ask("POST", "/v1/login/corp", body=body).status == 200


def test_refusals_are_told_to_the_log_and_not_to_the_caller(sekisho: Sekisho, samba: Samba) -> None:
    disabled = samba.user(userAccountControl=514)
    answers = [
        sekisho.ask("POST", "/v1/login/corp", body={"username": user, "password": word})
        for user, word in ((disabled, PASSWORD), (disabled, "wrong"), ("nobody-there", PASSWORD))
    ]
    assert [one.status for one in answers] == [401, 401, 401]
    said = [one.json() for one in answers]
    for one in said:
        one.pop("request_id", None)
    assert said[0] == said[1] == said[2]
    for reason in ("account_disabled", "wrong_password", "unknown_user"):
        assert f'"reason": "{reason}"' in sekisho.log or f'"reason":"{reason}"' in sekisho.log
    assert PASSWORD not in sekisho.log
    assert samba.config()["bind_password"] not in sekisho.log
