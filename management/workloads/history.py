"""The revisions of a workload: ReplicaSets of a Deployment, else ControllerRevisions."""

from collections.abc import Mapping, Sequence
from typing import Any

from management.kubernetes.manifests import Manifest
from management.kubernetes.validation import mapping, moment, number, text
from management.workloads.rows import REVISION, Row, controller_of, images_of

CHANGE_CAUSE = "kubernetes.io/change-cause"

MAX_REVISIONS = 100


def owned_by(uid: str, manifests: Sequence[Manifest]) -> list[Manifest]:
    """Return the objects that the object with ``uid`` controls."""
    return [one for one in manifests if (controller_of(one) or {}).get("uid") == uid]


def revisions_of_replica_sets(
    replica_sets: Sequence[Mapping[str, Any]], current: str | None
) -> list[Row]:
    """Return the revisions of a Deployment, the newest first."""
    rows = [
        {
            **_common(one, replica_set_revision(one)),
            "images": images_of(_template(one)),
            "desired": number(mapping(one.get("spec")).get("replicas"), 0),
            "ready": number(mapping(one.get("status")).get("readyReplicas"), 0),
        }
        for one in replica_sets
    ]
    return _ordered([{**one, "current": str(one["revision"]) == current} for one in rows])


def revisions_of_controller(
    revisions: Sequence[Mapping[str, Any]], current: str | None
) -> list[Row]:
    """Return the revisions of a StatefulSet or a DaemonSet, the newest first.

    ``current`` is the name of the current one; None: it is the newest, as for DaemonSets.
    """
    newest = max((number(one.get("revision"), 0) for one in revisions), default=0)
    rows = []
    for one in revisions:
        spec = mapping(mapping(mapping(one.get("data")).get("spec")).get("template"))
        row = _common(one, number(one.get("revision"), 0))
        is_current = row["name"] == current if current else row["revision"] == newest
        images = images_of(mapping(spec.get("spec")))
        rows.append(
            {**row, "images": images, "desired": None, "ready": None, "current": is_current}
        )
    return _ordered(rows)


def replica_set_revision(replica_set: Mapping[str, Any]) -> int:
    """Return the number of the revision that a ReplicaSet holds; 0 if it has none."""
    annotations = mapping(mapping(replica_set.get("metadata")).get("annotations"))
    value = text(annotations.get(REVISION), 20) or ""
    return int(value) if value.isascii() and value.isdigit() else 0


def _common(manifest: Mapping[str, Any], revision: int) -> Row:
    metadata = mapping(manifest.get("metadata"))
    created = moment(metadata.get("creationTimestamp"))
    return {
        "revision": revision,
        "name": text(metadata.get("name")) or "",
        "uid": text(metadata.get("uid")) or "",
        "created_at": created.isoformat() if created else None,
        "change_cause": text(mapping(metadata.get("annotations")).get(CHANGE_CAUSE), 500),
    }


def _template(replica_set: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(mapping(mapping(replica_set.get("spec")).get("template")).get("spec"))


def _ordered(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda one: one["revision"], reverse=True)[:MAX_REVISIONS]
