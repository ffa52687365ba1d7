"""A manifest is applied to a cluster as the calling user, and never by force."""

import pytest

from tests.e2e.workload_requests import Workloads, actions
from tests.management.workload_changes.manifests import (
    CONFIG_MAP,
    DEPLOYMENT,
    SERVICE,
    a_manifest,
)
from tests.support.kubernetes import Kubernetes, kubectl
from tests.support.log_lines import Event, events_of
from tests.support.sekisho import SekishoWithUsers
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def tokens(proxy: SekishoWithUsers) -> dict[str, str]:
    """Return a token of each user, and one of alice that only reads."""
    made = {name: proxy.token(name) for name in ("alice", "bob", "carol", "dave")}
    return {**made, "reads": proxy.token("alice", "--read-only")}


@pytest.fixture
def workloads(
    proxy: SekishoWithUsers, kubernetes: Kubernetes, namespace: str, tokens: dict[str, str]
) -> Workloads:
    """The workloads of a new namespace."""
    return Workloads(proxy, kubernetes, namespace, tokens)


def test_manifest_is_tried_then_created_then_unchanged(workloads: Workloads) -> None:
    created = [("ConfigMap", "create"), ("Service", "create"), ("Deployment", "create")]
    parts = (DEPLOYMENT, SERVICE, CONFIG_MAP)
    assert actions(workloads.apply(*parts, dry_run=True)) == created
    assert (
        workloads.read(f"/apis/apps/v1/namespaces/{workloads.namespace}/deployments")["items"] == []
    )
    assert actions(workloads.apply(*parts, who="bob")) == created
    workloads.await_revision(1)
    managers = {one["manager"] for one in workloads.read()["metadata"]["managedFields"]}
    assert "sekisho-workloads" in managers
    again = actions(workloads.apply(*parts))
    assert [action for _, action in again] == ["unchanged"] * 3


def test_dry_run_shows_the_fields_that_would_change(workloads: Workloads) -> None:
    actions(workloads.apply(DEPLOYMENT))
    workloads.await_revision(1)
    response = workloads.apply(DEPLOYMENT.replace("web:1", "web:2"), dry_run=True)
    assert actions(response) == [("Deployment", "change")]
    assert response.json()["items"][0]["changes"] == [
        {
            "field": '.spec.template.spec.containers[name="web"].image',
            "before": '"registry.example/web:1"',
            "after": '"registry.example/web:2"',
        }
    ]
    assert workloads.image() == "registry.example/web:1"


def test_field_that_leaves_the_manifest_is_removed(workloads: Workloads) -> None:
    actions(workloads.apply(CONFIG_MAP.replace("{port:", '{old: "1", port:')))
    response = workloads.apply(CONFIG_MAP)
    assert response.json()["items"][0]["changes"] == [
        {"field": ".data.old", "before": '"1"', "after": None}
    ]


def test_conflict_names_owners_and_fields_and_nothing_is_changed(workloads: Workloads) -> None:
    actions(workloads.apply(CONFIG_MAP, DEPLOYMENT))
    scaled = kubectl(
        workloads.proxy.configs["alice"],
        *("-n", workloads.namespace, "scale", "deployment/web", "--replicas=3"),
    )
    assert scaled.returncode == 0, scaled.stderr
    response = workloads.apply(CONFIG_MAP.replace('"80"', '"81"'), DEPLOYMENT)
    problem = response.json()
    assert response.status == 409
    assert problem["detail"].startswith(
        f"Deployment {workloads.namespace}/web sets fields that other field managers own: "
        ".spec.replicas of kubectl"
    )
    assert "nothing was changed" in problem["detail"]
    (conflict,) = [one for one in problem["errors"] if "owner" in one]
    assert conflict["field"] == ".spec.replicas"
    others = [one for one in problem["errors"] if "owner" not in one]
    assert [(one["object"].split()[0], one["action"]) for one in others] == [
        ("ConfigMap", "not_applied")
    ]
    config = workloads.read(f"/api/v1/namespaces/{workloads.namespace}/configmaps/web")
    assert config["data"] == {"port": "80"}
    assert workloads.read()["spec"]["replicas"] == 3


def test_manifest_does_not_undo_a_later_change_of_the_same_field(workloads: Workloads) -> None:
    actions(workloads.apply(DEPLOYMENT))
    assert workloads.change("scale", {"replicas": 3}).status == 200
    problem = workloads.apply(DEPLOYMENT).json()
    assert problem["errors"][0]["owner"] == "sekisho-workloads (subresource scale)"
    without = DEPLOYMENT.replace("  replicas: 1\n", "")
    assert workloads.apply(without).status == 200
    assert workloads.read()["spec"]["replicas"] == 3


def test_cluster_and_gate_decide_who_may_apply(workloads: Workloads) -> None:
    carol = workloads.apply(CONFIG_MAP, who="carol")
    assert carol.status == 403
    assert "cannot patch resource" in carol.json()["detail"]
    assert workloads.apply(CONFIG_MAP, who="dave").status == 404
    reads = workloads.apply(CONFIG_MAP, who="reads", dry_run=True)
    assert (reads.status, "read-only" in reads.json()["detail"]) == (403, True)


def test_requests_reach_the_cluster_as_the_caller(workloads: Workloads) -> None:
    actions(workloads.apply(DEPLOYMENT))
    path = f"/apis/apps/v1/namespaces/{workloads.namespace}/deployments/web"

    def patched() -> list[Event]:
        events = events_of(workloads.kubernetes.audit_log().read_text())
        return [one for one in events if one["verb"] == "patch" and path in one["requestURI"]]

    wait_until(lambda: len(patched()) >= 2, what="its events")
    assert len(patched()) == 2  # tried, then applied
    callers = {one["impersonatedUser"]["username"] for one in patched()}
    assert callers == {workloads.proxy.users["alice"]}


def test_refusal_of_the_cluster_is_explained(workloads: Workloads) -> None:
    invalid = workloads.apply(CONFIG_MAP, DEPLOYMENT.replace("replicas: 1", "replicas: -1"))
    assert invalid.status == 422
    assert "must be greater than or equal to 0" in invalid.json()["detail"]
    body = {"manifest": a_manifest(CONFIG_MAP, namespace="absent")}
    missing = workloads.post("alice", "", body)
    assert missing.status == 404
    assert 'namespaces "absent" not found' in missing.json()["detail"]


def test_pod_with_a_new_service_account_is_applied(workloads: Workloads) -> None:
    account = (
        "{apiVersion: v1, kind: ServiceAccount, metadata: {name: NAME, namespace: NAMESPACE}}\n"
    )
    pod = """\
apiVersion: v1
kind: Pod
metadata: {name: NAME, namespace: NAMESPACE}
spec: {serviceAccountName: NAME, containers: [{name: web, image: "web:1"}]}
"""
    assert actions(workloads.apply(pod, account)) == [
        ("ServiceAccount", "create"),
        ("Pod", "create"),
    ]


def test_invalid_manifest_is_rejected_with_every_line(workloads: Workloads) -> None:
    manifest = "{apiVersion: v1, kind: Secret, metadata: {name: A}}"
    response = workloads.post("alice", "", {"manifest": manifest, "namespace": "shop"})
    errors = response.json()["errors"]
    assert (response.status, [one["field"] for one in errors]) == (422, ["manifest"] * 2)
    assert all(one["message"].startswith("line 1: ") for one in errors)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("replcas: 1", ".spec.replcas: field not declared in schema"),
        ("replicas: many", ".spec.replicas: expected numeric"),
        ("replicas: 1.5", "cannot convert float64 to int32"),
    ],
)
def test_field_that_is_unknown_or_of_another_type_is_422_as_are_others(
    workloads: Workloads, wrong: str, words: str
) -> None:
    config = CONFIG_MAP.replace("\ndata", "\ndta")
    response = workloads.apply(config, DEPLOYMENT.replace("replicas: 1", wrong))
    assert response.status == 422, response.body
    problem = response.json()
    assert "nothing was changed" in problem["detail"]
    messages = [one.get("message", "") for one in problem["errors"]]
    assert any(words in one for one in messages), messages
    assert any(".dta: field not declared" in one for one in messages), messages
