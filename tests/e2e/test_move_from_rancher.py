"""docs/recipes/rancher.md as a platform team follows it, from real objects to the same access."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.kubernetes import Kubernetes
from tests.support.openldap import PASSWORD as DIRECTORY_PASSWORD
from tests.support.openldap import OpenLdap, group_dn, user_dn
from tests.support.page_session import ROOT, PageSession, with_directory
from tests.support.rancher import Rancher, rancher
from tests.support.rancher_objects import (
    CLUSTER,
    LAST_USER,
    PASSWORD_HASH,
    PROJECT,
    RULES,
    many_users,
    rancher_objects,
)
from tests.support.sekisho import PASSWORD, Sekisho, free_port, make_sekisho
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(600)

PAGE = ROOT / "docs" / "recipes" / "rancher.md"
SERVER_STEPS = (
    "1. Read Rancher",
    "2. Close what is open",
    "3. Import the clusters",
    "4. Apply the documents",
)
REVIEWS = "apis/authorization.k8s.io/v1"

ACTIONS = [
    (verb, group, resource, namespace)
    for (group, resource), verb, namespace in itertools.product(
        [
            ("apps", "deployments"),
            ("", "configmaps"),
            ("", "secrets"),
            ("", "pods"),
            ("", "pods/exec"),
            ("rbac.authorization.k8s.io", "rolebindings"),
            ("", "nodes"),
        ],
        ["get", "list", "create", "delete"],
        ["shop-web", "default"],
    )
]


@dataclass
class Site:
    """Rancher's objects, a Sekisho, and the readers of the page."""

    session: PageSession
    cluster: Kubernetes
    maria: str
    """A user of the directory, who is in a group that is a member of the project."""

    @property
    def server(self) -> Sekisho:
        return self.session.server


@pytest.fixture(scope="module")
def site(
    kubernetes: Kubernetes, openldap: OpenLdap, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("rancher")
    server = make_sekisho(folder, (free_port(), free_port()), with_directory(openldap))
    maria = openldap.create_user()
    team = openldap.create_group("groupOfNames", member=[user_dn(maria)])
    with rancher(kubernetes) as objects:
        _fill(objects, user_dn(maria), group_dn(team))
        try:
            server.start()
            yield Site(_readers(server, kubernetes, folder), kubernetes, maria)
        finally:
            server.stop()
            for name in ("shop-web", CLUSTER, PROJECT):
                kubernetes.delete_namespace(name)
            for name in RULES:
                path = f"/apis/rbac.authorization.k8s.io/v1/clusterroles/rancher-{name}"
                kubernetes.call(kubernetes.request("DELETE", path))


def _fill(objects: Rancher, maria: str, team: str) -> None:
    """Create Rancher's objects, and what its controllers make of them for u-lena."""
    objects.create_all(rancher_objects(maria, team))
    cluster = objects.cluster
    cluster.create_namespace("shop-web")
    quota = json.dumps({"limit": {"pods": "20"}})
    annotations = {
        "field.cattle.io/projectId": f"{CLUSTER}:{PROJECT}",
        "field.cattle.io/resourceQuota": quota,
    }
    change = {"metadata": {"annotations": annotations}}
    cluster.call(cluster.request("PATCH", "/api/v1/namespaces/shop-web", change))
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    for name, rules in RULES.items():
        role = {"metadata": {"name": f"rancher-{name}"}, "rules": rules}
        cluster.call(cluster.request("POST", f"{rbac}/clusterroles", role))
    for name in (*(f"rancher-{one}" for one in RULES), "view"):
        binding = {
            "metadata": {"name": name},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": name,
            },
            "subjects": [
                {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "u-lena"}
            ],
        }
        path = f"{rbac}/namespaces/shop-web/rolebindings"
        cluster.call(cluster.request("POST", path, binding))


def _readers(server: Sekisho, kubernetes: Kubernetes, folder: Path) -> PageSession:
    session = PageSession(server, folder / "people")
    server.prepare("admin", "user", "set-password", "admin", "--password-stdin", stdin=PASSWORD)
    session.passwords |= {"server": PASSWORD, "lena": "a first password for lena"}
    for name in ("rancher.kubeconfig", "prod.kubeconfig"):
        text = kubernetes.admin_kubeconfig.read_text()
        (session.home("server") / name).write_text(text)
    session.sign_in("server", "admin --provider local")
    return session


def _allowed_at_rancher(site: Site) -> dict[Any, bool]:
    found = {}
    for action in ACTIONS:
        spec = {"user": "u-lena", "groups": [], "resourceAttributes": _attributes(*action)}
        path = f"/{REVIEWS}/subjectaccessreviews"
        made = site.cluster.call(site.cluster.request("POST", path, {"spec": spec}))
        found[action] = bool(made["status"]["allowed"])
    return found


def _allowed_at_sekisho(site: Site, token: str) -> dict[Any, bool]:
    found = {}
    for action in ACTIONS:
        body = {"spec": {"resourceAttributes": _attributes(*action)}}
        path = f"/k8s/clusters/prod/{REVIEWS}/selfsubjectaccessreviews"
        made = site.server.request("POST", path, token=token, body=body)
        assert made.status == 201, made.body
        found[action] = bool(made.json()["status"]["allowed"])
    return found


def _attributes(verb: str, group: str, resource: str, namespace: str) -> dict[str, str]:
    kind, _, part = resource.partition("/")
    found = {"verb": verb, "group": group, "resource": kind, "namespace": namespace}
    return {**found, "subresource": part} if part else found


def _signed_in(site: Site, provider: str, name: str, password: str) -> str:
    body = {"username": name, "password": password}
    made = site.server.request("POST", f"/v1/login/{provider}", body=body)
    assert made.status == 200, made.body
    return str(made.json()["token"])


def test_page_moves_users_who_keep_their_access(site: Site) -> None:
    session = site.session
    for heading in SERVER_STEPS:
        session.follow(PAGE, heading)
    folder = session.home("server") / "rancher-move"
    written = "".join(one.read_text() for one in folder.rglob("*") if one.is_file())
    assert PASSWORD_HASH not in written
    assert "kubeconfig-u-lena" not in written, "tokens are not read"
    session.new = "another long password"
    session.follow(PAGE, "5. Switch kubeconfigs")
    lena = session.token("lena")
    expected = _allowed_at_rancher(site)
    assert True in expected.values()
    wait_until(lambda: _allowed_at_sekisho(site, lena) == expected, what="the access of lena")

    maria = _signed_in(site, "corp", site.maria, DIRECTORY_PASSWORD)
    [project] = site.server.request("GET", "/v1/projects", token=maria).json()["items"]
    assert (project["name"], project["quota"]["pods"]) == ("Web shop", "40")
    assert "projects.create" in json.dumps(
        site.server.request("GET", "/v1/clusters/prod", token=maria).json()
    )
    session.follow(PAGE, "6. Compare")


def test_documents_are_applied_a_second_time_without_a_change(site: Site) -> None:
    session = site.session
    command = "sekisho apply -f rancher-move/documents --dry-run"
    shown = session.type_as("server", command)
    assert "created" not in shown
    assert "changed (dry run)" not in shown.replace("unchanged", "")


def test_page_goes_back(site: Site) -> None:
    site.session.follow(PAGE, "Go back")
    body = {"username": "lena", "password": site.session.passwords["lena"]}
    assert site.server.request("POST", "/v1/login/local", body=body).status == 401
    kinds = "user role project binding member"
    shown = site.session.type_as("server", f"sekisho export {kinds} -l moved-from=rancher")
    assert "kind:" not in shown


def test_thousands_of_users_are_read_page_by_page(site: Site) -> None:
    Rancher(site.cluster).create_all(many_users())
    shown = site.session.type_as(
        "server",
        "sekisho admin move-from-rancher --kubeconfig rancher.kubeconfig --cluster prod -o every",
    )
    assert "written to every" in shown
    users = (site.session.home("server") / "every" / "users.tsv").read_text()
    assert LAST_USER in users, "only the last page has the user"
