"""One row for each workload."""

from collections.abc import Mapping
from typing import Any

from management.kubernetes.validation import mapping, mappings, moment, number, text
from management.workloads.kinds import (
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    POD,
    STATEFUL_SET,
    WorkloadKind,
)
from management.workloads.states import condition, state_of

Row = dict[str, Any]

MAX_IMAGES = 32
MAX_LABELS = 64
MAX_LABEL_KEY, MAX_LABEL_VALUE = 317, 63
"""Characters in Kubernetes. A cluster that sends longer ones would fill the memory with rows."""

MAX_CONDITIONS = 16
MAX_IMAGE_LENGTH = 500
MAX_MESSAGE = 500

REVISION = "deployment.kubernetes.io/revision"
"""The annotation with the number of a Deployment's or ReplicaSet's revision."""


def is_workload(kind: WorkloadKind, manifest: Mapping[str, Any]) -> bool:
    """Return whether an object is a workload of its own: it is no part of another one."""
    if kind is POD:
        return controller_of(manifest) is None
    if kind is JOB:
        owner = controller_of(manifest)
        return owner is None or owner.get("kind") != CRON_JOB.kind
    return True


def controller_of(manifest: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the owner reference of the object that controls another one."""
    for owner in mappings(mapping(manifest.get("metadata")).get("ownerReferences")):
        if owner.get("controller") is True:
            return owner
    return None


def shown(kind: WorkloadKind, manifest: Mapping[str, Any]) -> Row | None:
    """Return the row of an object, or None if it is no workload of its own."""
    if not manifest["metadata"].get("uid") or not is_workload(kind, manifest):
        return None
    return row_of(kind, manifest)


def row_of(kind: WorkloadKind, manifest: Mapping[str, Any]) -> Row:
    """Return the row of a workload. The project of its namespace is added by the caller.

    Numbers that a kind does not have are None. For a Job, ``ready`` are the completions, and
    ``desired`` those that are needed. For a CronJob, ``ready`` are the active jobs.
    """
    metadata = mapping(manifest.get("metadata"))
    spec, status = mapping(manifest.get("spec")), mapping(manifest.get("status"))
    desired, ready, updated, available = _numbers(kind, spec, status)
    created = moment(metadata.get("creationTimestamp"))
    row: Row = {
        "kind": kind.name,
        "namespace": text(metadata.get("namespace")) or "",
        "name": text(metadata.get("name")) or "",
        "uid": text(metadata.get("uid")) or "",
        "desired": desired,
        "ready": ready,
        "updated": updated,
        "available": available,
        "images": images_of(template_of(kind, manifest)),
        "state": state_of(kind, manifest),
        "conditions": conditions_of(status),
        "labels": _labels(metadata),
        "created_at": created.isoformat() if created else None,
        "revision": _revision(kind, metadata, status),
    }
    if kind is CRON_JOB:
        last = moment(status.get("lastScheduleTime"))
        row["schedule"] = text(spec.get("schedule"), 100)
        row["last_scheduled_at"] = last.isoformat() if last else None
    return row


def _numbers(
    kind: WorkloadKind, spec: Mapping[str, Any], status: Mapping[str, Any]
) -> tuple[int | None, int | None, int | None, int | None]:
    """Return how many pods are desired, ready, updated, and available."""

    def held(name: str) -> int:
        return number(status.get(name), 0)

    if kind in (DEPLOYMENT, STATEFUL_SET):
        desired = number(spec.get("replicas"), 1)
        return desired, held("readyReplicas"), held("updatedReplicas"), held("availableReplicas")
    if kind is DAEMON_SET:
        desired = held("desiredNumberScheduled")
        return desired, held("numberReady"), held("updatedNumberScheduled"), held("numberAvailable")
    if kind is JOB:
        needed = spec.get("completions")
        return number(needed, number(spec.get("parallelism"), 1)), held("succeeded"), None, None
    if kind is CRON_JOB:
        return None, len(mappings(status.get("active"))), None, None
    return 1, int(condition(status, "Ready") == "True"), None, None


def template_of(kind: WorkloadKind, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the spec of the pods of a workload."""
    spec = mapping(manifest.get("spec"))
    if kind is POD:
        return spec
    if kind is CRON_JOB:
        spec = mapping(mapping(spec.get("jobTemplate")).get("spec"))
    return mapping(mapping(spec.get("template")).get("spec"))


def images_of(pod_spec: Mapping[str, Any]) -> list[str]:
    """Return the images of the containers, each once."""
    found = (
        text(one.get("image"), MAX_IMAGE_LENGTH) for one in mappings(pod_spec.get("containers"))
    )
    return list(dict.fromkeys(one for one in found if one))[:MAX_IMAGES]


def conditions_of(status: Mapping[str, Any]) -> list[Row]:
    """Return the conditions of an object."""
    return [
        {
            "type": text(one.get("type"), 100) or "",
            "status": text(one.get("status"), 20) or "",
            "reason": text(one.get("reason"), 100) or "",
            "message": text(one.get("message"), MAX_MESSAGE) or "",
        }
        for one in mappings(status.get("conditions"), MAX_CONDITIONS)
    ]


def _labels(metadata: Mapping[str, Any]) -> dict[str, str]:
    labels = mapping(metadata.get("labels"))
    return {
        key[:MAX_LABEL_KEY]: value[:MAX_LABEL_VALUE]
        for key, value in list(labels.items())[:MAX_LABELS]
        if isinstance(value, str)
    }


def _revision(
    kind: WorkloadKind, metadata: Mapping[str, Any], status: Mapping[str, Any]
) -> str | None:
    """Return the current revision: a number for Deployments, a name for StatefulSets."""
    if kind is DEPLOYMENT:
        return text(mapping(metadata.get("annotations")).get(REVISION), 20)
    return text(status.get("updateRevision")) if kind is STATEFUL_SET else None
