"""Cluster-wide RBAC objects: roles and bindings of cluster members and project members. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from hashlib import sha256
from typing import Any
from zlib import crc32

from management.authorization.permissions import ALL_PROJECTS, NAMESPACES, SEE_PROJECT
from management.desired_state.snapshot import Snapshot, Subject, subject_manifest
from management.kubernetes.manifests import (
    LABELS,
    MANAGE_NAMESPACES,
    PROJECT_LABEL,
    PROJECTS_GROUP,
    RBAC,
    Manifest,
)
from store.access_records import Binding, PolicyRule

MAX_SUBJECTS = 2000
"""Subjects in one binding. With the longest names, that is well below the size limit of etcd."""

MAX_NAME_CHARACTERS = 200
"""Characters of a binding's name before it is cut. With the digest, it is still below 253."""

_PROTECTED_VERBS = ["get", "update", "patch", "delete"]
_UNPROTECTED_VERBS = ["get", "delete"]
"""Without the label policy, a subject that may change a namespace could disable policies that
depend on its labels, such as Pod Security."""


def cluster_wide(snapshot: Snapshot, *, labels_protected: bool = True) -> list[Manifest]:
    """Return the desired ClusterRoles and ClusterRoleBindings.

    ``labels_protected``: the cluster enforces the label policy. If not, project members may not
    change namespaces.
    """
    held_in_cluster = [one for one in snapshot.bindings if one.project_id is None]
    objects = _custom_roles(snapshot)
    for reference, bindings in by_reference(snapshot, held_in_cluster).items():
        objects += _bindings(
            f"sekisho:{snapshot.cluster.id}:{reference}", reference, snapshot, bindings
        )
    all_projects = [one for one in held_in_cluster if _permits(snapshot, one, ALL_PROJECTS)]
    if all_projects:
        name = f"sekisho:all-projects:{snapshot.cluster.id}"
        objects += _role_and_bindings(name, [_manage([])], snapshot, all_projects)
    for project_id in snapshot.projects:
        verbs = _PROTECTED_VERBS if labels_protected else _UNPROTECTED_VERBS
        objects += _project_objects(snapshot, project_id, verbs)
    return objects


def by_reference(snapshot: Snapshot, bindings: Iterable[Binding]) -> dict[str, list[Binding]]:
    """Group bindings by the ClusterRoles that their roles map to."""
    found: dict[str, list[Binding]] = defaultdict(list)
    for one in bindings:
        content = snapshot.book.content(one.role_id)
        for reference in content.cluster_roles:
            found[reference].append(one)
        if content.rules:
            found[custom_role_name(one.role_id)].append(one)
    return dict(sorted(found.items()))


def custom_role_name(role_id: str) -> str:
    """Return the name of the ClusterRole for a custom role."""
    return f"sekisho:{role_id}"


def subject_lists(subjects: frozenset[Subject]) -> list[list[Subject]]:
    """Split subjects into as many lists as necessary, by a hash of each subject.

    Therefore adding or removing one subject does not move the others between bindings.
    """
    count = 1
    while len(subjects) > count * MAX_SUBJECTS // 2 and len(subjects) > MAX_SUBJECTS:
        count *= 2
    lists: list[list[Subject]] = [[] for _ in range(count)]
    for one in sorted(subjects):
        lists[_bucket(one, count)].append(one)
    return lists


def _bucket(subject: Subject, count: int) -> int:
    return crc32(subject[1].encode()) % count


def bounded(name: str) -> str:
    """Return an object's name; cut a long one and append a digest.

    RBAC itself has no limit, but clients that read its objects have.
    """
    if len(name) <= MAX_NAME_CHARACTERS:
        return name
    return f"{name[:MAX_NAME_CHARACTERS]}:{sha256(name.encode()).hexdigest()[:20]}"


def _project_objects(snapshot: Snapshot, project_id: str, verbs: list[str]) -> list[Manifest]:
    """Return the roles for reading a project's namespaces, and for managing them."""
    names = [one.namespace for one in snapshot.namespaces if one.project_id == project_id]
    held = [one for one in snapshot.bindings if one.project_id == project_id]
    readers = [one for one in held if _permits(snapshot, one, SEE_PROJECT)]
    managers = [one for one in held if _permits(snapshot, one, NAMESPACES)]
    found = []
    if readers and names:
        rules = [_on_namespaces(["get"], names)]
        found += _role_and_bindings(f"sekisho:{project_id}:see", rules, snapshot, readers)
    if managers:
        rules = [_manage([project_id])] + ([_on_namespaces(verbs, names)] if names else [])
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


def _custom_roles(snapshot: Snapshot) -> list[Manifest]:
    """Return a ClusterRole for each custom role with rules that is bound in the cluster."""
    held = sorted({one.role_id for one in snapshot.bindings})
    return [
        _cluster_role(custom_role_name(role_id), [rule_manifest(one) for one in rules])
        for role_id in held
        if (rules := snapshot.book.content(role_id).rules)
    ]


def rule_manifest(rule: PolicyRule) -> dict[str, Any]:
    """Return a rule in the form of the Kubernetes API."""
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
    """Return bindings of subjects to a ClusterRole, in a namespace or cluster-wide."""
    found = []
    name = bounded(name)
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
