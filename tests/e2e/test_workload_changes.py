"""Single changes of a workload, compared with what kubectl does."""

from typing import Any

import pytest

from management.workload_changes.permitted import ACTIONS
from tests.e2e.workload_requests import APPS, Workloads, actions
from tests.management.workload_changes.manifests import DEPLOYMENT
from tests.support.kubernetes import Kubernetes, kubectl
from tests.support.sekisho import HttpResponse, SekishoWithUsers
from tests.support.waiting import wait_until

SETS = {
    "statefulset": DEPLOYMENT.replace("Deployment", "StatefulSet"),
    "daemonset": DEPLOYMENT.replace("Deployment", "DaemonSet").replace("  replicas: 1\n", ""),
}


@pytest.fixture(scope="module")
def tokens(proxy: SekishoWithUsers) -> dict[str, str]:
    """Return a token of each user."""
    return {name: proxy.token(name) for name in ("alice", "carol")}


@pytest.fixture
def workloads(
    proxy: SekishoWithUsers, kubernetes: Kubernetes, namespace: str, tokens: dict[str, str]
) -> Workloads:
    """A namespace with the Deployment ``web``."""
    made = Workloads(proxy, kubernetes, namespace, tokens)
    actions(made.apply(DEPLOYMENT))
    made.await_revision(1)
    return made


def changed(response: HttpResponse) -> dict[str, Any]:
    assert response.status == 200, response.body
    assert response.json()["changed"]
    return {one["field"]: one["after"] for one in response.json()["changes"]}


def await_history(workloads: Workloads, number: int) -> None:
    """Wait until there are that many ControllerRevisions."""
    path = f"{APPS}/{workloads.namespace}/controllerrevisions"
    wait_until(lambda: len(workloads.read(path)["items"]) == number, 60, "the revisions")


def test_scale_sets_the_replicas_unless_it_is_a_dry_run(workloads: Workloads) -> None:
    dry = workloads.change("scale", {"replicas": 4, "dry_run": True})
    assert changed(dry) == {".spec.replicas": "4"}
    assert workloads.read()["spec"]["replicas"] == 1
    assert changed(workloads.change("scale", {"replicas": 4})) == {".spec.replicas": "4"}
    assert workloads.read()["spec"]["replicas"] == 4
    assert workloads.change("scale", {"replicas": 4}).json()["changed"] is False


def test_image_of_one_container_is_set(workloads: Workloads) -> None:
    changed(workloads.change("image", {"container": "web", "image": "web:2"}))
    assert workloads.image() == "web:2"
    other = workloads.change("image", {"container": "db", "image": "db:1"})
    assert (other.status, "the pods have web" in other.json()["detail"]) == (422, True)


def test_paused_deployment_is_not_restarted_until_it_is_resumed(workloads: Workloads) -> None:
    assert changed(workloads.change("pause")) == {".spec.paused": "true"}
    refused = workloads.change("restart")
    assert (refused.status, "resume it" in refused.json()["detail"]) == (409, True)
    changed(workloads.change("resume", {}))
    changed(workloads.change("restart"))
    annotations = workloads.read()["spec"]["template"]["metadata"]["annotations"]
    assert "kubectl.kubernetes.io/restartedAt" in annotations


def test_deployment_returns_to_the_revision_that_kubectl_would_choose(
    workloads: Workloads,
) -> None:
    early = workloads.change("rollback")
    assert (early.status, "no earlier revision" in early.json()["detail"]) == (409, True)
    for number, image in ((2, "web:2"), (3, "web:3")):
        changed(workloads.change("image", {"container": "web", "image": image}))
        workloads.await_revision(number)
    tried = workloads.change("rollback", {"dry_run": True})
    assert (tried.json()["revision"], workloads.image()) == (2, "web:3")
    changed(workloads.change("rollback"))
    assert workloads.image() == "web:2"
    workloads.await_revision(4)
    undone = kubectl(
        workloads.proxy.configs["alice"],
        *("-n", workloads.namespace, "rollout", "undo", "deployment/web"),
    )
    assert undone.returncode == 0, undone.stderr
    assert workloads.image() == "web:3"
    workloads.await_revision(5)
    changed(workloads.change("rollback", {"revision": 1}))
    assert workloads.image() == "registry.example/web:1"


@pytest.mark.parametrize("kind", SETS)
def test_set_returns_to_a_controller_revision(workloads: Workloads, kind: str) -> None:
    actions(workloads.apply(SETS[kind]))
    await_history(workloads, 1)
    changed(workloads.change("image", {"container": "web", "image": "web:2"}, kind=kind))
    await_history(workloads, 2)
    response = workloads.change("rollback", kind=kind)
    assert '"registry.example/web:1"' in changed(response).values()
    assert response.json()["revision"] == 1
    assert workloads.image(f"{kind}s") == "registry.example/web:1"


def test_deletion_is_tried_and_bound_to_a_uid(workloads: Workloads) -> None:
    assert workloads.delete("?dry_run=true").status == 204
    uid = workloads.read()["metadata"]["uid"]
    assert workloads.delete("?uid=another").status == 409
    assert workloads.delete("?propagation=soon").status == 422
    assert workloads.delete(f"?uid={uid}&propagation=foreground").status == 204
    wait_until(lambda: workloads.delete().status == 404, 60, "the deletion")


def test_cluster_decides_who_may_change(workloads: Workloads) -> None:
    bodies = {"scale": {"replicas": 0}, "image": {"container": "web", "image": "web:2"}}
    for action in ("scale", "image", "pause", "resume", "restart"):
        response = workloads.change(action, bodies.get(action), who="carol")
        assert response.status == 403, action
        assert "cannot patch resource" in response.json()["detail"]
    assert workloads.delete(who="carol").status == 403
    assert workloads.read()["spec"]["replicas"] == 1


def test_permitted_actions_are_those_of_the_cluster_and_of_the_token(workloads: Workloads) -> None:
    proxy = workloads.proxy
    body = {"read_only": True, "clusters": ["test"]}
    made = proxy.request("POST", "/v1/tokens", token=workloads.tokens["alice"], body=body)
    path = f"/v1/clusters/test/workloads/{workloads.namespace}/deployment/web/actions"
    found = {}
    for who, token in {**workloads.tokens, "reader": made.json()["token"]}.items():
        found[who] = proxy.request("GET", path, token=token).json()["actions"]
    assert found["alice"] == list(ACTIONS["deployment"])
    assert found["carol"] == found["reader"] == ["logs"]
    missing = proxy.request("GET", path.replace("/web/", "/none/"), token=workloads.tokens["alice"])
    assert missing.status == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("shop/secret/web/pause", 404),
        ("shop/deployment/..%2Fweb/pause", 404),
        ("Shop/deployment/web/pause", 404),
        ("absent/deployment/web/pause", 404),
        ("shop/statefulset/web/pause", 422),
        ("shop/job/web/rollback", 422),
    ],
)
def test_change_without_a_workload_is_rejected(
    workloads: Workloads, path: str, status: int
) -> None:
    assert workloads.post("alice", f"/{path}").status == status
