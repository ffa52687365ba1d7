"""Cluster-wide RBAC: what is held in the cluster, and what a project's people may do with it."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from zlib import crc32

from management.authorization.permissions import ALL_PROJECTS, NAMESPACES, SEE_PROJECT
from management.downstream.objects import (
    LABELS,
    MANAGE_NAMESPACES,
    PROJECT_LABEL,
    PROJECTS_GROUP,
    RBAC,
    Manifest,
)
from management.wanted.snapshot import Snapshot, Subject, subject_manifest
from store.access_records import Binding, PolicyRule

MOST_SUBJECTS = 2000
"""Subjects in one binding at most: with the longest names still well below what etcd takes."""

_WORK = ["get", "update", "patch", "delete"]


def cluster_wide(snapshot: Snapshot) -> list[Manifest]:
    """Every ClusterRole and ClusterRoleBinding that shall be."""
    held_in_cluster = [one for one in snapshot.bindings if one.project_id is None]
    found = _made_roles(snapshot)
    for reference, bindings in by_reference(snapshot, held_in_cluster).items():
        found += _bindings(
            f"sekisho:{snapshot.cluster.id}:{reference}", reference, snapshot, bindings
        )
    over_all = [one for one in held_in_cluster if _permits(snapshot, one, ALL_PROJECTS)]
    if over_all:
        name = f"sekisho:all-projects:{snapshot.cluster.id}"
        found += _role_and_bindings(name, [_manage([])], snapshot, over_all)
    for project_id in snapshot.projects:
        found += _of_project(snapshot, project_id)
    return found


def by_reference(snapshot: Snapshot, bindings: Iterable[Binding]) -> dict[str, list[Binding]]:
    """Bindings by the ClusterRoles that they come to."""
    found: dict[str, list[Binding]] = defaultdict(list)
    for one in bindings:
        content = snapshot.book.content(one.role_id)
        for reference in content.cluster_roles:
            found[reference].append(one)
        if content.rules:
            found[made_role_name(one.role_id)].append(one)
    return dict(sorted(found.items()))


def made_role_name(role_id: str) -> str:
    """The ClusterRole of a role that people made."""
    return f"sekisho:{role_id}"


def subject_lists(subjects: frozenset[Subject]) -> list[list[Subject]]:
    """Subjects, in as many lists as it takes; who is in which doesn't depend on the others.

    Else everybody would move when one comes or goes.
    """
    count = 1
    while len(subjects) > count * MOST_SUBJECTS // 2 and len(subjects) > MOST_SUBJECTS:
        count *= 2
    lists: list[list[Subject]] = [[] for _ in range(count)]
    for one in sorted(subjects):
        lists[_bucket(one, count)].append(one)
    return lists


def _bucket(subject: Subject, count: int) -> int:
    return crc32(subject[1].encode()) % count


def _of_project(snapshot: Snapshot, project_id: str) -> list[Manifest]:
    """Seeing the project's namespaces as such, and changing them and where they belong."""
    names = [one.namespace for one in snapshot.namespaces if one.project_id == project_id]
    held = [one for one in snapshot.bindings if one.project_id == project_id]
    seers = [one for one in held if _permits(snapshot, one, SEE_PROJECT)]
    managers = [one for one in held if _permits(snapshot, one, NAMESPACES)]
    found = []
    if seers and names:
        rules = [_on_namespaces(["get"], names)]
        found += _role_and_bindings(f"sekisho:{project_id}:see", rules, snapshot, seers)
    if managers:
        rules = [_manage([project_id])] + ([_on_namespaces(_WORK, names)] if names else [])
        found += _role_and_bindings(f"sekisho:{project_id}:namespaces", rules, snapshot, managers)
    for one in found:
        one["metadata"]["labels"][PROJECT_LABEL] = project_id
    return found


def _permits(snapshot: Snapshot, binding: Binding, permission: str) -> bool:
    return permission in snapshot.book.content(binding.role_id).permissions


def _manage(project_ids: list[str]) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "apiGroups": [PROJECTS_GROUP],
        "resources": ["projects"],
        "verbs": [MANAGE_NAMESPACES],
    }
    return rule | ({"resourceNames": project_ids} if project_ids else {})


def _on_namespaces(verbs: list[str], names: list[str]) -> dict[str, Any]:
    return {
        "apiGroups": [""],
        "resources": ["namespaces"],
        "verbs": verbs,
        "resourceNames": sorted(names),
    }


def _made_roles(snapshot: Snapshot) -> list[Manifest]:
    """A ClusterRole for each role with rules of its own that somebody holds here."""
    held = sorted({one.role_id for one in snapshot.bindings})
    return [
        _cluster_role(made_role_name(role_id), [rule_manifest(one) for one in rules])
        for role_id in held
        if (rules := snapshot.book.content(role_id).rules)
    ]


def rule_manifest(rule: PolicyRule) -> dict[str, Any]:
    """A rule as Kubernetes writes it."""
    written: dict[str, Any] = {
        "verbs": rule.verbs,
        "apiGroups": rule.api_groups,
        "resources": rule.resources,
        "resourceNames": rule.resource_names,
        "nonResourceURLs": rule.non_resource_urls,
    }
    return {key: list(value) for key, value in written.items() if value}


def _role_and_bindings(
    name: str, rules: list[dict[str, Any]], snapshot: Snapshot, bindings: list[Binding]
) -> list[Manifest]:
    return [_cluster_role(name, rules), *_bindings(name, name, snapshot, bindings)]


def _cluster_role(name: str, rules: list[dict[str, Any]]) -> Manifest:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, "labels": dict(LABELS)},
        "rules": rules,
    }


def _bindings(
    name: str, reference: str, snapshot: Snapshot, bindings: list[Binding]
) -> list[Manifest]:
    return role_bindings(name, reference, snapshot.subjects_of(bindings))


def role_bindings(
    name: str, reference: str, subjects: frozenset[Subject], namespace: str | None = None
) -> list[Manifest]:
    """Bindings of subjects to a ClusterRole, in a namespace or cluster-wide; none for nobody."""
    found = []
    for number, some in enumerate(subject_lists(subjects)):
        metadata: dict[str, Any] = {
            "name": name if number == 0 else f"{name}:{number}",
            "labels": dict(LABELS),
        }
        if namespace is not None:
            metadata["namespace"] = namespace
        if some:
            found.append(
                {
                    "apiVersion": f"{RBAC}/v1",
                    "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
                    "metadata": metadata,
                    "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": reference},
                    "subjects": [subject_manifest(one) for one in some],
                }
            )
    return found
