"""The desired objects in a project's namespaces: bindings, quota, limits, network policy. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any

from config.loggers import get_logger
from management.desired_state.cluster_rbac import by_reference, role_bindings
from management.desired_state.diff import ObjectAction, ObjectChange
from management.desired_state.quota_shares import split_quota
from management.desired_state.snapshot import Snapshot
from management.kubernetes.manifests import (
    LABELS,
    PROJECT_LABEL,
    SHARED_LABEL,
    Manifest,
    api_version,
)
from management.kubernetes.quantity import format_quantity, parse_quantity
from store.access_records import Project, ProjectNamespace

NAME = "sekisho-project"
"""Name of the objects of which a namespace has one of a kind."""

_LONG_AGO = datetime.min.replace(tzinfo=UTC)

_LOG = get_logger(__name__)


def in_namespaces(
    snapshot: Snapshot,
    only: Collection[str] | None = None,
    *,
    broken: dict[str, str],
) -> Iterator[Manifest]:
    """Yield the desired objects in namespaces of all projects, or of the projects in ``only``.

    A project with invalid content is added to ``broken``, by id with the reason. It keeps its
    current objects (:func:`is_of_broken`), and other projects are not affected.
    """
    inside: dict[str, list[ProjectNamespace]] = defaultdict(list)
    for one in snapshot.namespaces:
        inside[one.project_id or ""].append(one)
    for project in snapshot.projects.values():
        if only is not None and project.id not in only:
            continue
        try:
            made = list(_project_objects(snapshot, project, inside[project.id]))
        except Exception as exc:
            _LOG.exception("project not planned", project=project.id)
            broken[project.id] = str(exc) or type(exc).__name__
        else:
            yield from made


def is_of_broken(change: ObjectChange, broken: Collection[str]) -> bool:
    """Return whether a change would delete an object of a broken project."""
    metadata = change.manifest["metadata"]
    project_id = (metadata.get("labels") or {}).get(PROJECT_LABEL)
    return change.action is ObjectAction.DELETE and "namespace" in metadata and project_id in broken


def _project_objects(
    snapshot: Snapshot, project: Project, inside: list[ProjectNamespace]
) -> Iterator[Manifest]:
    held = [one for one in snapshot.bindings if one.project_id == project.id]
    references = {
        reference: snapshot.subjects_of(bindings)
        for reference, bindings in by_reference(snapshot, held).items()
    }
    quotas = namespace_quotas(project, inside)
    for one in inside:
        name = one.namespace
        made: list[Manifest] = []
        for reference, subjects in references.items():
            made += role_bindings(f"sekisho:{reference}", reference, subjects, name)
        if quotas[name]:
            made.append(_object("ResourceQuota", name, {"hard": quotas[name]}))
        if project.container_limits:
            made.append(_object("LimitRange", name, {"limits": [_limits(project)]}))
        if project.isolated:
            made.append(_object("NetworkPolicy", name, _isolation(project)))
        for manifest in made:
            manifest["metadata"]["labels"][PROJECT_LABEL] = project.id
        yield from made


def namespace_quotas(
    project: Project, inside: Collection[ProjectNamespace]
) -> dict[str, dict[str, str]]:
    """Return the ``hard`` of each namespace's ResourceQuota."""
    split = split_quota(
        {key: parse_quantity(value) for key, value in project.quota.items()},
        {key: parse_quantity(value) for key, value in project.namespace_quota.items()},
        {
            one.namespace: {key: parse_quantity(value) for key, value in one.quota.items()}
            for one in sorted(inside, key=lambda one: (one.joined_at or _LONG_AGO, one.namespace))
        },
    )
    return {
        name: {key: format_quantity(value) for key, value in sorted(hard.items())}
        for name, hard in split.items()
    }


def _limits(project: Project) -> dict[str, Any]:
    """Return the defaults of containers. A default limit is the default request as well."""
    default = dict(project.container_limits.get("default", {}))
    request = default | dict(project.container_limits.get("default_request", {}))
    limits: dict[str, Any] = {"type": "Container"}
    if default:
        limits["default"] = default
    return limits | ({"defaultRequest": request} if request else {})


def _isolation(project: Project) -> dict[str, Any]:
    """Return the policy: accept traffic from the project and from shared namespaces only."""
    peers = [
        {"namespaceSelector": {"matchLabels": {PROJECT_LABEL: project.id}}},
        {"namespaceSelector": {"matchLabels": {SHARED_LABEL: "true"}}},
    ]
    return {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": peers}]}


def _object(kind: str, namespace: str, spec: dict[str, Any]) -> Manifest:
    metadata = {"name": NAME, "namespace": namespace, "labels": dict(LABELS)}
    return {"apiVersion": api_version(kind), "kind": kind, "metadata": metadata, "spec": spec}
