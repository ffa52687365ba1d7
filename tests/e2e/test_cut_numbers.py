"""Numbers that a real API server would cut to 32 bits are refused, in every kind of object."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from management.workload_changes.manifest_kinds import MANIFEST_KINDS
from tests.e2e.workload_requests import Workloads, actions
from tests.support.kubernetes import Kubernetes
from tests.support.sekisho import SekishoWithUsers

LARGE = 2**32 + 5
"""Its lower 32 bits are 5."""

META = {"name": "web", "namespace": "NAMESPACE"}
PROBE = {"httpGet": {"path": "/", "port": 80}, "periodSeconds": LARGE}


def pod(**more: Any) -> dict[str, Any]:
    container = {"name": "web", "image": "registry.example/web:1", **more.pop("container", {})}
    labels = {"metadata": {"labels": {"app": "web"}}}
    return {**labels, "spec": {"containers": [container], **more}}


def selecting(**spec: Any) -> dict[str, Any]:
    return {"selector": {"matchLabels": {"app": "web"}}, "template": pod(), **spec}


JOB = pod(restartPolicy="Never")
SCALED = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
VOLUME = [{"name": "a", "configMap": {"name": "a", "defaultMode": LARGE}}]
CRON = {"schedule": "@daily", "jobTemplate": {"spec": {"template": JOB}}}

CUT: list[tuple[str, dict[str, Any], str]] = [
    ("Deployment", selecting(revisionHistoryLimit=LARGE), "spec.revisionHistoryLimit"),
    ("Deployment", selecting(minReadySeconds=LARGE), "spec.minReadySeconds"),
    (
        "Deployment",
        selecting(template=pod(container={"livenessProbe": PROBE})),
        "spec.template.spec.containers[].livenessProbe.periodSeconds",
    ),
    (
        "Deployment",
        selecting(template=pod(volumes=VOLUME)),
        "spec.template.spec.volumes[].configMap.defaultMode",
    ),
    (
        "StatefulSet",
        selecting(serviceName="web", revisionHistoryLimit=LARGE),
        "spec.revisionHistoryLimit",
    ),
    ("DaemonSet", selecting(minReadySeconds=LARGE), "spec.minReadySeconds"),
    ("Job", {"template": JOB, "ttlSecondsAfterFinished": LARGE}, "spec.ttlSecondsAfterFinished"),
    ("CronJob", {**CRON, "failedJobsHistoryLimit": LARGE}, "spec.failedJobsHistoryLimit"),
    (
        "Pod",
        pod(container={"livenessProbe": PROBE})["spec"],
        "spec.containers[].livenessProbe.periodSeconds",
    ),
    (
        "HorizontalPodAutoscaler",
        {
            "scaleTargetRef": SCALED,
            "maxReplicas": 9,
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": LARGE}},
        },
        "spec.behavior.scaleDown.stabilizationWindowSeconds",
    ),
    (
        "Service",
        {
            "ports": [{"port": 80}],
            "sessionAffinity": "ClientIP",
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": LARGE}},
        },
        "spec.sessionAffinityConfig.clientIP.timeoutSeconds",
    ),
]
"""Kind, spec, and the field that is cut."""

WHOLE: list[tuple[str, dict[str, Any]]] = [
    ("Deployment", selecting(template=pod(terminationGracePeriodSeconds=LARGE))),
    (
        "Deployment",
        selecting(template=pod(container={"resources": {"limits": {"memory": LARGE}}})),
    ),
]
"""Fields of 64 bits, and amounts."""


def document(kind: str, spec: Mapping[str, Any]) -> str:
    version = MANIFEST_KINDS[kind].group
    return json.dumps({"apiVersion": version, "kind": kind, "metadata": META, "spec": spec}) + "\n"


@pytest.fixture(scope="module")
def tokens(proxy: SekishoWithUsers) -> dict[str, str]:
    """Return a token."""
    return {"alice": proxy.token("alice")}


@pytest.fixture
def workloads(
    proxy: SekishoWithUsers, kubernetes: Kubernetes, namespace: str, tokens: dict[str, str]
) -> Workloads:
    """The workloads of a new namespace."""
    return Workloads(proxy, kubernetes, namespace, tokens)


def test_number_that_the_cluster_would_cut_is_refused_and_nothing_is_written(
    workloads: Workloads,
) -> None:
    for kind, spec, field in CUT:
        for dry_run in (True, False):
            response = workloads.apply(document(kind, spec), dry_run=dry_run)
            assert response.status == 422, (kind, field, response.body)
            message = f"{field}: the cluster would store 5 in place of {LARGE}"
            assert message in response.json()["detail"], (kind, field, response.body)
    assert (
        workloads.read(f"/apis/apps/v1/namespaces/{workloads.namespace}/deployments")["items"] == []
    )


def test_pod_with_a_new_account_is_refused_before_the_account_is_made(
    workloads: Workloads,
) -> None:
    spec = {**pod(container={"livenessProbe": PROBE})["spec"], "serviceAccountName": "web"}
    account = json.dumps({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": META}) + "\n"
    response = workloads.apply(account, document("Pod", spec))
    assert response.status == 422, response.body
    assert "livenessProbe.periodSeconds: the cluster would store 5" in response.json()["detail"]
    assert "nothing was changed" in response.json()["detail"]


def test_number_that_the_cluster_keeps_is_applied(workloads: Workloads) -> None:
    for kind, spec in WHOLE:
        assert actions(workloads.apply(document(kind, spec), dry_run=True)) == [(kind, "create")]
