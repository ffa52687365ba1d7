"""The chart's objects: a real API server admits them, in a namespace of restricted pods."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from proxy.demo.local_cluster import RequestError
from tests.deploy.chart.values import MATRIX, POSTGRESQL, SQLITE, changed
from tests.support.custom_resources import installed
from tests.support.helm import CHART, Helm, Objects, only
from tests.support.kubernetes import Kubernetes, kubectl
from tests.support.rendered_pod import pod_template

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@pytest.fixture(scope="module")
def namespace(kubernetes: Kubernetes) -> Iterator[str]:
    """Create a namespace that refuses pods that are not restricted, with the custom resources."""
    name = "chart"
    with installed(kubernetes):
        kubernetes.create_namespace(name)
        path = f"/api/v1/namespaces/{name}"
        labels = {"metadata": {"labels": RESTRICTED}}
        kubernetes.call(kubernetes.request("PATCH", path, labels))
        account = {"metadata": {"name": "sekisho"}}
        kubernetes.call(kubernetes.request("POST", f"{path}/serviceaccounts", account))
        yield name
        kubernetes.delete_namespace(name)


def pods(objects: Objects) -> Iterator[dict[str, Any]]:
    """Yield a Pod as each Deployment, Job, and CronJob creates it."""
    for one in objects:
        if one["kind"] in {"Deployment", "Job", "CronJob"}:
            template = pod_template(one)
            metadata = {**template["metadata"], "name": one["metadata"]["name"]}
            yield {"metadata": metadata, "spec": template["spec"]}


def create_pod(kubernetes: Kubernetes, namespace: str, pod: dict[str, Any]) -> dict[str, Any]:
    path = f"/api/v1/namespaces/{namespace}/pods?dryRun=All"
    return kubernetes.call(kubernetes.request("POST", path, pod))


@pytest.mark.parametrize("name", MATRIX)
def test_cluster_with_restricted_pods_admits_every_object(
    kubernetes: Kubernetes, namespace: str, helm: Helm, name: str
) -> None:
    text = helm.text(MATRIX[name], "--namespace", namespace)
    applied = kubectl(
        kubernetes.admin_kubeconfig,
        *("apply", "--namespace", namespace, "--dry-run=server", "--validate=strict", "-f", "-"),
        input=text,
    )
    assert applied.returncode == 0, applied.stderr
    assert "would violate PodSecurity" not in applied.stderr
    objects = [one for one in yaml.safe_load_all(text) if one]
    assert len(applied.stdout.splitlines()) == len(objects)
    for pod in pods(objects):
        created = create_pod(kubernetes, namespace, pod)
        assert created["spec"]["automountServiceAccountToken"] is False


def test_namespace_of_these_tests_refuses_other_pods(
    kubernetes: Kubernetes, namespace: str, helm: Helm
) -> None:
    [pod] = pods(helm.objects(SQLITE))
    del pod["spec"]["containers"][0]["securityContext"]
    with pytest.raises(RequestError, match="violates PodSecurity"):
        create_pod(kubernetes, namespace, pod)


def test_pod_may_end_as_late_as_the_server_does(helm: Helm) -> None:
    slow = changed(SQLITE, "server", {"shutdownDelaySeconds": 15, "shutdownGraceSeconds": 100})
    spec = only(helm.objects(slow), "Deployment")["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] == 15 + 100 + 20


def test_pods_of_sqlite_never_run_at_the_same_time(helm: Helm) -> None:
    spec = only(helm.objects(SQLITE), "Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_separate_controllers_run_in_their_deployment_alone(helm: Helm) -> None:
    objects = helm.objects(MATRIX["everything"])
    enabled = {
        name: yaml.safe_load(only(objects, "ConfigMap", name)["data"]["sekisho.yaml"])
        for name in ("sekisho", "sekisho-controllers")
    }
    assert enabled["sekisho"]["controllers"] == {"enabled": False}
    assert enabled["sekisho-controllers"]["controllers"] == {"enabled": True}
    selected = only(objects, "Service", "sekisho")["spec"]["selector"]
    assert selected["app.kubernetes.io/component"] == "server"


def test_backup_of_sqlite_runs_on_the_node_of_its_volume_and_is_no_server(helm: Helm) -> None:
    objects = helm.objects(MATRIX["sqlite with backups in a given volume"])
    template = pod_template(only(objects, "CronJob"))
    affinity = template["spec"]["affinity"]["podAffinity"]
    [term] = affinity["requiredDuringSchedulingIgnoredDuringExecution"]
    server = pod_template(only(objects, "Deployment"))["metadata"]["labels"]
    assert term["labelSelector"]["matchLabels"].items() <= server.items()
    selected = only(objects, "Service", "sekisho")["spec"]["selector"]
    assert not selected.items() <= template["metadata"]["labels"].items()
    others = pod_template(only(helm.objects(MATRIX["everything"]), "CronJob"))
    assert "affinity" not in others["spec"]


def test_network_policy_opens_metrics_for_named_peers_only(helm: Helm) -> None:
    def ports(values: dict[str, Any]) -> list[Any]:
        rules = only(helm.objects(values), "NetworkPolicy")["spec"]["ingress"]
        return [rule["ports"][0]["port"] for rule in rules]

    assert ports(SQLITE) == ["https"]
    assert ports(POSTGRESQL) == ["https", 9444]
    assert ports(MATRIX["everything"]) == ["https", 9444, "metrics"]


def test_agents_get_the_image_of_the_server(helm: Helm) -> None:
    for name, values in MATRIX.items():
        objects = helm.objects(values)
        config = yaml.safe_load(only(objects, "ConfigMap", "sekisho")["data"]["sekisho.yaml"])
        spec = only(objects, "Deployment", "sekisho")["spec"]["template"]["spec"]
        assert config["images"]["agent"] == spec["containers"][0]["image"], name
        assert values["images"]["registry"] in config["images"]["agent"]


def test_dashboards_and_rules_are_those_of_the_folder(helm: Helm) -> None:
    objects = helm.objects(MATRIX["everything"])
    rules = [one for one in objects if one["kind"] == "PrometheusRule"]
    files = sorted((CHART / "files" / "alerts").glob("*.yaml"))
    assert [one["spec"] for one in rules] == [yaml.safe_load(file.read_text()) for file in files]
    shown = [one for one in objects if "grafana_dashboard" in one["metadata"]["labels"]]
    for file in (CHART / "files" / "dashboards").glob("*.json"):
        [found] = [one["data"][file.name] for one in shown if file.name in one["data"]]
        assert json.loads(found) == json.loads(file.read_text())
