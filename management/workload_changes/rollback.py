"""The revision to which a rollback returns, as ``kubectl rollout undo`` chooses it. Pure.

The revisions of a Deployment are its ReplicaSets, those of a StatefulSet or DaemonSet its
ControllerRevisions. Without a number, the target is the last revision before the present one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from management.kubernetes.manifests import Manifest
from management.kubernetes.validation import mapping
from management.workload_changes.patches import (
    JSON_PATCH,
    STRATEGIC_MERGE_PATCH,
    ChangeConflict,
    InvalidChange,
    Patch,
    refuse_paused,
    same_object,
)
from management.workloads.history import owned_by, replica_set_revision
from management.workloads.kinds import collection
from management.workloads.rows import REVISION

POD_TEMPLATE_HASH = "pod-template-hash"

_KEPT_ANNOTATIONS = frozenset(
    {
        REVISION,
        "kubectl.kubernetes.io/last-applied-configuration",
        "deployment.kubernetes.io/revision-history",
        "deployment.kubernetes.io/desired-replicas",
        "deployment.kubernetes.io/max-replicas",
        "deprecated.deployment.rollback.to",
    }
)
"""Annotations of a Deployment that a rollback keeps; all others come from the ReplicaSet."""

_REVISIONS = {
    "deployment": "replicasets",
    "statefulset": "controllerrevisions",
    "daemonset": "controllerrevisions",
}


@dataclass(frozen=True, slots=True)
class Rollback:
    """The revision to return to, and the patch that does it; None if nothing would change."""

    revision: int
    patch: Patch | None


def revisions_path(kind: str, namespace: str) -> str:
    """Return the path of the objects that are the revisions of workloads. Raises InvalidChange."""
    if kind not in _REVISIONS:
        raise InvalidChange(
            f"a {kind} has no revisions; rollback is for {', '.join(sorted(_REVISIONS))}"
        )
    return collection("apps/v1", _REVISIONS[kind], namespace)


def rollback(
    kind: str,
    found: Mapping[str, Any],
    revisions: Sequence[Manifest],
    revision: int | None = None,
) -> Rollback:
    """Return the rollback of a workload. ``revisions`` may contain objects of other workloads.

    Raises:
        InvalidChange: there is no such revision, or the kind has none.
        ChangeConflict: the workload is a paused Deployment.
    """
    owned = owned_by(str(mapping(found.get("metadata")).get("uid")), revisions)
    if kind != "deployment":
        return _of_controller_revision(found, *_chosen(owned, _revision_number, revision))
    refuse_paused(found, "roll back")
    return _of_replica_set(found, *_chosen(owned, replica_set_revision, revision))


def _chosen(
    owned: Sequence[Manifest],
    number_of: Callable[[Mapping[str, Any]], int],
    revision: int | None,
) -> tuple[int, Mapping[str, Any]]:
    """Return the revision with that number, or the last but one."""
    by_number = {number_of(one): one for one in owned}
    numbers = sorted(number for number in by_number if number > 0)
    if revision is None:
        if len(numbers) < 2:
            raise ChangeConflict("the workload has no earlier revision to return to")
        return numbers[-2], by_number[numbers[-2]]
    if revision not in numbers:
        known = ", ".join(map(str, numbers[-20:])) or "none"
        raise InvalidChange(f"no revision {revision}; the workload has {known}")
    return revision, by_number[revision]


def _of_replica_set(
    found: Mapping[str, Any], number: int, replica_set: Mapping[str, Any]
) -> Rollback:
    template = _without_hash(_template(replica_set))
    if template == _without_hash(_template(found)):
        return Rollback(number, None)
    annotations = {
        **{key: one for key, one in _annotations(found).items() if key in _KEPT_ANNOTATIONS},
        **{
            key: one
            for key, one in _annotations(replica_set).items()
            if key not in _KEPT_ANNOTATIONS
        },
    }
    body = [
        *same_object(found),
        {"op": "replace", "path": "/spec/template", "value": template},
        {"op": "add", "path": "/metadata/annotations", "value": annotations},
    ]
    return Rollback(number, Patch(JSON_PATCH, body))


def _of_controller_revision(
    found: Mapping[str, Any], number: int, revision: Mapping[str, Any]
) -> Rollback:
    data = mapping(revision.get("data"))
    template = _template(data)
    if not template:
        raise InvalidChange(f"revision {number} has no pod template")
    wanted = {key: value for key, value in template.items() if key != "$patch"}
    if wanted == _template(found):
        return Rollback(number, None)
    # The uid makes the API server refuse the patch if the workload was created again.
    same = {"metadata": {"uid": mapping(found.get("metadata")).get("uid")}}
    return Rollback(number, Patch(STRATEGIC_MERGE_PATCH, {**data, **same}))


def _revision_number(revision: Mapping[str, Any]) -> int:
    number = revision.get("revision")
    return number if isinstance(number, int) and not isinstance(number, bool) else 0


def _annotations(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(mapping(manifest.get("metadata")).get("annotations"))


def _template(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(mapping(manifest.get("spec")).get("template"))


def _without_hash(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return a pod template without the label that tells ReplicaSets of a Deployment apart."""
    metadata = mapping(template.get("metadata"))
    labels = {
        key: value
        for key, value in mapping(metadata.get("labels")).items()
        if key != POD_TEMPLATE_HASH
    }
    return {**template, "metadata": {**metadata, "labels": labels}}
