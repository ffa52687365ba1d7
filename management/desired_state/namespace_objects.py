"""What shall be in each namespace of a project: who may do what, how much, and who gets in."""

from collections.abc import Collection, Iterator
from typing import Any

from management.downstream.objects import LABELS, PROJECT_LABEL, SHARED_LABEL, Manifest, api_version
from management.quantities import format_quantity, parse_quantity, shares
from management.wanted.roles import by_reference, role_bindings
from management.wanted.snapshot import Snapshot
from store.access_records import Project, ProjectNamespace

NAME = "sekisho-project"
"""The name of each of our objects in a namespace that there is one of."""


def in_namespaces(snapshot: Snapshot, only: Collection[str] | None = None) -> Iterator[Manifest]:
    """Everything that shall be in namespaces; ``only``: in those of these projects."""
    for project in snapshot.projects.values():
        if only is not None and project.id not in only:
            continue
        inside = [one for one in snapshot.namespaces if one.project_id == project.id]
        yield from _of_project(snapshot, project, inside)


def _of_project(
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
    """The ``hard`` of each namespace's ResourceQuota."""
    split = shares(
        {key: parse_quantity(value) for key, value in project.quota.items()},
        {key: parse_quantity(value) for key, value in project.namespace_quota.items()},
        {
            one.namespace: {key: parse_quantity(value) for key, value in one.quota.items()}
            for one in inside
        },
    )
    return {
        name: {key: format_quantity(value) for key, value in sorted(hard.items())}
        for name, hard in split.items()
    }


def _limits(project: Project) -> dict[str, Any]:
    """For containers that say nothing themselves; what is only a limit is the request, too."""
    default = dict(project.container_limits.get("default", {}))
    request = default | dict(project.container_limits.get("default_request", {}))
    limits: dict[str, Any] = {"type": "Container"}
    if default:
        limits["default"] = default
    return limits | ({"defaultRequest": request} if request else {})


def _isolation(project: Project) -> dict[str, Any]:
    """Pods hear from their own project, and from namespaces that are there for everybody."""
    peers = [
        {"namespaceSelector": {"matchLabels": {PROJECT_LABEL: project.id}}},
        {"namespaceSelector": {"matchLabels": {SHARED_LABEL: "true"}}},
    ]
    return {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": peers}]}


def _object(kind: str, namespace: str, spec: dict[str, Any]) -> Manifest:
    metadata = {"name": NAME, "namespace": namespace, "labels": dict(LABELS)}
    return {"apiVersion": api_version(kind), "kind": kind, "metadata": metadata, "spec": spec}
