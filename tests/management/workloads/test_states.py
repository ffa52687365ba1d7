"""The state of workloads, from objects as clusters have them, and as no cluster has them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from management.workloads.kinds import (
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    KINDS,
    POD,
    STATEFUL_SET,
    WorkloadKind,
)
from management.workloads.pods import pod_row
from management.workloads.rows import row_of
from management.workloads.states import state_of

DONE = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}
NODES = {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2}
DELETED = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


def holds(kind: str, status: str = "True") -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": status}]}


def waits(reason: str) -> dict[str, Any]:
    return {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": reason}}}]}


CASES: list[tuple[WorkloadKind, dict[str, Any], dict[str, Any], str]] = [
    (DEPLOYMENT, {"replicas": 2}, DONE, "ready"),
    (DEPLOYMENT, {"replicas": 2}, {**DONE, "updatedReplicas": 1}, "progressing"),
    (DEPLOYMENT, {"replicas": 2}, {**DONE, "replicas": 3}, "progressing"),
    (DEPLOYMENT, {"replicas": 2}, {**DONE, "availableReplicas": 1}, "progressing"),
    (DEPLOYMENT, {"replicas": 2, "paused": True}, {**DONE, "updatedReplicas": 0}, "paused"),
    (DEPLOYMENT, {"replicas": 0}, {}, "stopped"),
    (DEPLOYMENT, {"replicas": 2}, {**DONE, **holds("Progressing", "False")}, "failed"),
    (DEPLOYMENT, {"replicas": 2}, {**DONE, **holds("ReplicaFailure")}, "failed"),
    (STATEFUL_SET, {"replicas": 2}, DONE, "ready"),
    (STATEFUL_SET, {"replicas": 2}, {**DONE, "readyReplicas": 1}, "progressing"),
    (STATEFUL_SET, {"replicas": 2}, {**DONE, "updateRevision": "b"}, "progressing"),
    (
        STATEFUL_SET,
        {"replicas": 2, "updateStrategy": {"type": "OnDelete"}},
        {**DONE, "updateRevision": "b"},
        "ready",
    ),
    (
        STATEFUL_SET,
        {"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 1}}},
        {**DONE, "updatedReplicas": 1, "updateRevision": "b"},
        "ready",
    ),
    (STATEFUL_SET, {"replicas": 0}, {}, "stopped"),
    (DAEMON_SET, {}, NODES, "ready"),
    (DAEMON_SET, {}, {**NODES, "updatedNumberScheduled": 1}, "progressing"),
    (
        DAEMON_SET,
        {"updateStrategy": {"type": "OnDelete"}},
        {**NODES, "updatedNumberScheduled": 1},
        "ready",
    ),
    (JOB, {}, {"active": 1}, "running"),
    (JOB, {}, {}, "progressing"),
    (JOB, {"suspend": True}, {}, "suspended"),
    (JOB, {}, holds("Complete"), "complete"),
    (JOB, {}, holds("Failed"), "failed"),
    (CRON_JOB, {}, {}, "ready"),
    (CRON_JOB, {}, {"active": [{"name": "x"}]}, "running"),
    (CRON_JOB, {"suspend": True}, {}, "suspended"),
    (POD, {}, {"phase": "Running", **holds("Ready")}, "ready"),
    (POD, {}, {"phase": "Running"}, "progressing"),
    (POD, {}, {"phase": "Succeeded"}, "complete"),
    (POD, {}, {"phase": "Failed"}, "failed"),
    (POD, {}, waits("ImagePullBackOff"), "failed"),
    (POD, {}, waits("ContainerCreating"), "progressing"),
]


@pytest.mark.parametrize(("kind", "spec", "status", "state"), CASES)
def test_state_is_that_of_kubectl_rollout_status(
    kind: WorkloadKind, spec: dict[str, Any], status: dict[str, Any], state: str
) -> None:
    manifest = {"metadata": {"generation": 1}, "spec": spec, "status": status}
    manifest["status"] = {"observedGeneration": 1, **status}
    assert state_of(kind, manifest) == state
    assert state_of(kind, {**manifest, "metadata": DELETED}) == "terminating"


@pytest.mark.parametrize("kind", [DEPLOYMENT, STATEFUL_SET, DAEMON_SET])
def test_change_that_no_controller_has_seen_is_progressing(kind: WorkloadKind) -> None:
    status = {**DONE, **NODES, "observedGeneration": 1}
    manifest = {"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": status}
    assert state_of(kind, manifest) == "progressing"
    manifest["spec"]["paused"] = True
    assert state_of(kind, manifest) == "paused"


FIELDS = st.sampled_from(
    [
        *("metadata", "spec", "status", "conditions", "type", "template", "containers", "name"),
        *("image", "replicas", "labels", "active", "annotations", "ownerReferences", "state"),
        *("waiting", "reason", "containerStatuses", "jobTemplate", "phase"),
    ]
)

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=6),
    max_leaves=30,
)


@given(st.dictionaries(FIELDS, ANYTHING))
def test_object_of_any_form_has_a_row(manifest: dict[str, Any]) -> None:
    for kind in KINDS.values():
        row = row_of(kind, manifest)
        assert isinstance(row["images"], list)
        assert isinstance(row["state"], str)
    assert isinstance(pod_row(manifest)["containers"], list)
