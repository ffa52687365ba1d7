"""Rows of workloads, of their pods, revisions and events."""

from typing import Any

import pytest

from management.workloads.cluster_events import event_rows
from management.workloads.history import (
    owned_by,
    revisions_of_controller,
    revisions_of_replica_sets,
)
from management.workloads.kinds import (
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    POD,
    STATEFUL_SET,
    WorkloadKind,
)
from management.workloads.pods import container_for_logs, containers_of, pod_for_logs, pod_row
from management.workloads.rows import is_workload, row_of, template_of
from management.workloads.selectors import selector_of

TEMPLATE = {"spec": {"containers": [{"name": "a", "image": "x:1"}, {"name": "b", "image": "x:1"}]}}
WEB = {
    "metadata": {
        "name": "web",
        "namespace": "shop",
        "uid": "u-web",
        "creationTimestamp": "2026-01-02T03:04:05Z",
        "labels": {"app": "web"},
        "annotations": {"deployment.kubernetes.io/revision": "7"},
    },
    "spec": {"replicas": 3, "template": TEMPLATE, "selector": {"matchLabels": {"app": "web"}}},
    "status": {
        "readyReplicas": 2,
        "updatedReplicas": 1,
        "availableReplicas": 2,
        "conditions": [
            {"type": "Available", "status": "True", "reason": "R", "message": "m" * 999}
        ],
    },
}


def test_row_of_a_deployment() -> None:
    row = row_of(DEPLOYMENT, WEB)
    assert {key: row[key] for key in ("kind", "namespace", "name", "uid", "revision")} == {
        "kind": "deployment",
        "namespace": "shop",
        "name": "web",
        "uid": "u-web",
        "revision": "7",
    }
    assert (row["desired"], row["ready"], row["updated"], row["available"]) == (3, 2, 1, 2)
    assert (row["images"], row["labels"], row["state"]) == (["x:1"], {"app": "web"}, "progressing")
    assert row["created_at"] == "2026-01-02T03:04:05+00:00"
    assert len(row["conditions"][0]["message"]) == 500, "texts of a cluster are cut"


@pytest.mark.parametrize(
    ("kind", "spec", "status", "numbers"),
    [
        (STATEFUL_SET, {}, {"readyReplicas": 1}, (1, 1, 0, 0)),
        (
            DAEMON_SET,
            {},
            {
                "desiredNumberScheduled": 4,
                "numberReady": 3,
                "updatedNumberScheduled": 2,
                "numberAvailable": 1,
            },
            (4, 3, 2, 1),
        ),
        (JOB, {"completions": 5}, {"succeeded": 2}, (5, 2, None, None)),
        (JOB, {"parallelism": 3}, {}, (3, 0, None, None)),
        (CRON_JOB, {}, {"active": [{}, {}]}, (None, 2, None, None)),
        (POD, {}, {"conditions": [{"type": "Ready", "status": "True"}]}, (1, 1, None, None)),
    ],
)
def test_numbers_of_each_kind(
    kind: WorkloadKind, spec: dict[str, Any], status: dict[str, Any], numbers: tuple[int, ...]
) -> None:
    row = row_of(kind, {"metadata": {}, "spec": spec, "status": status})
    assert (row["desired"], row["ready"], row["updated"], row["available"]) == numbers


def test_row_of_a_cron_job_has_its_schedule_and_images() -> None:
    spec = {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": TEMPLATE}}}
    row = row_of(CRON_JOB, {"spec": spec, "status": {"lastScheduleTime": "2026-01-01T00:00:00Z"}})
    assert (row["schedule"], row["images"]) == ("*/5 * * * *", ["x:1"])
    assert row["last_scheduled_at"] == "2026-01-01T00:00:00+00:00"


def test_parts_of_other_workloads_are_no_workloads() -> None:
    def owned(kind: str, *, controller: bool = True) -> dict[str, Any]:
        owner = {"kind": kind, "uid": "u", "controller": controller}
        return {"metadata": {"name": "x", "ownerReferences": [owner]}}

    assert not is_workload(POD, owned("ReplicaSet"))
    assert is_workload(POD, owned("ConfigMap", controller=False))
    assert not is_workload(JOB, owned("CronJob"))
    assert is_workload(JOB, owned("Pipeline"))
    assert is_workload(DEPLOYMENT, owned("Rollout"))


def test_selectors_are_those_of_the_workload() -> None:
    expressions = [
        {"key": "tier", "operator": "In", "values": ["a", "b"]},
        {"key": "old", "operator": "DoesNotExist"},
        {"key": "new", "operator": "Exists"},
    ]
    selector = {"matchLabels": {"app": "web"}, "matchExpressions": expressions}
    wanted = "app=web,tier in (a,b),!old,new"
    assert selector_of({"spec": {"selector": selector}}) == wanted
    for broken in (
        {"matchLabels": {"app": 1}},
        {"matchExpressions": [{"key": "a", "operator": "In", "values": []}]},
        {"matchExpressions": [{"key": "a", "operator": "Near", "values": ["b"]}]},
        {},
    ):
        assert selector_of({"spec": {"selector": broken}}) is None


def replica_set(name: str, revision: str, uid: str = "u-web") -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "uid": f"u-{name}",
            "annotations": {
                "deployment.kubernetes.io/revision": revision,
                "kubernetes.io/change-cause": "because",
            },
            "ownerReferences": [{"uid": uid, "controller": True}],
        },
        "spec": {"replicas": 2, "template": TEMPLATE},
        "status": {"readyReplicas": 1},
    }


def test_revisions_of_a_deployment_are_its_replica_sets() -> None:
    found = owned_by(
        "u-web", [replica_set("a", "6"), replica_set("b", "7"), replica_set("c", "1", "other")]
    )
    newest, oldest = revisions_of_replica_sets(found, "7")
    assert (newest["revision"], newest["current"], oldest["current"]) == (7, True, False)
    assert (newest["images"], newest["desired"], newest["ready"]) == (["x:1"], 2, 1)
    assert newest["change_cause"] == "because"


def test_revisions_of_a_stateful_set_are_controller_revisions() -> None:
    revisions = [
        {
            "metadata": {"name": f"db-{number}"},
            "revision": number,
            "data": {"spec": {"template": TEMPLATE}},
        }
        for number in (1, 2)
    ]
    found = revisions_of_controller(revisions, "db-1")
    assert [(one["revision"], one["current"]) for one in found] == [(2, False), (1, True)]
    assert found[0]["images"] == ["x:1"]
    assert [one["current"] for one in revisions_of_controller(revisions, None)] == [True, False]


def test_events_about_the_parts_come_newest_first() -> None:
    def event(uid: str, last: str, reason: str) -> dict[str, Any]:
        about = {"uid": uid, "kind": "Pod", "name": "p"}
        return {"involvedObject": about, "reason": reason, "lastTimestamp": last, "type": "Warning"}

    events = [
        event("u-1", "2026-01-01T00:00:00Z", "Old"),
        event("u-2", "2026-01-02T00:00:00Z", "New"),
        event("u-3", "2026-01-03T00:00:00Z", "Other"),
    ]
    assert [one["reason"] for one in event_rows(events, {"u-1", "u-2"})] == ["New", "Old"]


def pod(name: str, phase: str = "Running", **metadata: Any) -> dict[str, Any]:
    ready = [{"type": "Ready", "status": "True"}] if phase == "Running" else []
    statuses = [
        {
            "name": "b",
            "ready": False,
            "restartCount": 3,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "again"}},
        }
    ]
    return {
        "metadata": {"name": name, **metadata},
        "spec": {**TEMPLATE["spec"], "nodeName": "n1"},
        "status": {"phase": phase, "conditions": ready, "containerStatuses": statuses},
    }


def test_row_of_a_pod_has_its_containers() -> None:
    row = pod_row(pod("p"))
    assert (row["state"], row["reason"], row["restarts"], row["node"]) == (
        "failed",
        "CrashLoopBackOff",
        3,
        "n1",
    )
    first, second = row["containers"]
    assert (first["name"], first["state"], second["message"]) == ("a", "", "again")


def test_log_is_that_of_a_ready_pod_and_its_default_container() -> None:
    healthy = {**pod("new"), "status": {"phase": "Running", **_ready()}}
    assert pod_for_logs([pod("old", "Succeeded"), healthy, pod("x", "Pending")]) is healthy
    assert pod_for_logs([]) is None
    assert container_for_logs(healthy) == "a"
    annotations = {"kubectl.kubernetes.io/default-container": "b"}
    assert container_for_logs(pod("p", annotations=annotations)) == "b"
    assert container_for_logs({"spec": {}}) is None


def _ready() -> dict[str, Any]:
    return {"conditions": [{"type": "Ready", "status": "True"}]}


def test_containers_of_a_template_have_their_resources() -> None:
    container = {
        "name": "a",
        "image": "x",
        "ports": [{"containerPort": 80}],
        "resources": {"limits": {"cpu": "1", "memory": 7}},
    }
    spec = {"initContainers": [{"name": "i"}], "containers": [container]}
    manifest = {"spec": {"template": {"spec": spec}}}
    init, main = containers_of(template_of(DEPLOYMENT, manifest))
    assert (init["name"], init["init"]) == ("i", True)
    assert (main["ports"], main["limits"]) == ([80], {"cpu": "1"})
