"""The word for the state of a workload, as ``kubectl rollout status`` judges it."""

from collections.abc import Mapping
from typing import Any, Literal

from management.kubernetes.validation import mapping, mappings, number, text
from management.workloads.kinds import (
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    STATEFUL_SET,
    WorkloadKind,
)

State = Literal[
    "ready",
    "progressing",
    "paused",
    "stopped",
    "failed",
    "suspended",
    "running",
    "complete",
    "terminating",
]
"""``stopped``: scaled to zero. ``running``: a Job or CronJob with active pods or jobs."""

FAILING = frozenset(
    {
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)
"""Reasons of a waiting container that does not start by itself."""


def state_of(kind: WorkloadKind, manifest: Mapping[str, Any]) -> State:
    """Return the state of a workload."""
    metadata = mapping(manifest.get("metadata"))
    if metadata.get("deletionTimestamp"):
        return "terminating"
    spec, status = mapping(manifest.get("spec")), mapping(manifest.get("status"))
    if kind is JOB:
        return _job(spec, status)
    if kind is CRON_JOB:
        return _cron_job(spec, status)
    if kind not in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET):
        return pod_state(manifest)
    observed = number(status.get("observedGeneration"), 0)
    if observed < number(metadata.get("generation"), 0):
        return "paused" if spec.get("paused") is True else "progressing"
    if kind is DEPLOYMENT:
        return _deployment(spec, status)
    return _stateful_set(spec, status) if kind is STATEFUL_SET else _daemon_set(spec, status)


def _deployment(spec: Mapping[str, Any], status: Mapping[str, Any]) -> State:
    if condition(status, "Progressing") == "False" or condition(status, "ReplicaFailure") == "True":
        return "failed"
    if spec.get("paused") is True:
        return "paused"
    desired, replicas = number(spec.get("replicas"), 1), number(status.get("replicas"), 0)
    if not desired and not replicas:
        return "stopped"
    updated = number(status.get("updatedReplicas"), 0)
    available = number(status.get("availableReplicas"), 0)
    done = updated >= desired and replicas <= updated and available >= updated
    return "ready" if done else "progressing"


def _stateful_set(spec: Mapping[str, Any], status: Mapping[str, Any]) -> State:
    desired, replicas = number(spec.get("replicas"), 1), number(status.get("replicas"), 0)
    if not desired and not replicas:
        return "stopped"
    if replicas != desired or number(status.get("readyReplicas"), 0) < desired:
        return "progressing"
    strategy = mapping(spec.get("updateStrategy"))
    if strategy.get("type") == "OnDelete":
        return "ready"
    partition = number(mapping(strategy.get("rollingUpdate")).get("partition"), 0)
    updated = number(status.get("updatedReplicas"), 0)
    if partition:
        return "ready" if updated >= desired - partition else "progressing"
    same = status.get("updateRevision") == status.get("currentRevision")
    return "ready" if same else "progressing"


def _daemon_set(spec: Mapping[str, Any], status: Mapping[str, Any]) -> State:
    desired = number(status.get("desiredNumberScheduled"), 0)
    on_delete = mapping(spec.get("updateStrategy")).get("type") == "OnDelete"
    updated = desired if on_delete else number(status.get("updatedNumberScheduled"), 0)
    done = updated >= desired and number(status.get("numberAvailable"), 0) >= desired
    return "ready" if done else "progressing"


def _job(spec: Mapping[str, Any], status: Mapping[str, Any]) -> State:
    if condition(status, "Complete") == "True":
        return "complete"
    if condition(status, "Failed") == "True":
        return "failed"
    if spec.get("suspend") is True:
        return "suspended"
    return "running" if number(status.get("active"), 0) else "progressing"


def _cron_job(spec: Mapping[str, Any], status: Mapping[str, Any]) -> State:
    if spec.get("suspend") is True:
        return "suspended"
    return "running" if mappings(status.get("active")) else "ready"


def pod_state(manifest: Mapping[str, Any]) -> State:
    """Return the state of a pod."""
    if mapping(manifest.get("metadata")).get("deletionTimestamp"):
        return "terminating"
    status = mapping(manifest.get("status"))
    phase = status.get("phase")
    if phase == "Succeeded":
        return "complete"
    statuses = mappings(status.get("initContainerStatuses"))
    statuses += mappings(status.get("containerStatuses"))
    waiting = (mapping(mapping(one.get("state")).get("waiting")) for one in statuses)
    if phase == "Failed" or any(one.get("reason") in FAILING for one in waiting):
        return "failed"
    return "ready" if condition(status, "Ready") == "True" else "progressing"


def condition(status: Mapping[str, Any], kind: str) -> str | None:
    """Return the status of a condition, or None if the object does not have it."""
    for one in mappings(status.get("conditions")):
        if one.get("type") == kind:
            return text(one.get("status"), 20)
    return None
