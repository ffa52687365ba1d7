"""The RBAC objects of a cluster, reduced to what decides. Pure.

A cluster's owner chooses each byte of these objects. Content of another type than RBAC has is left
out, as if it granted nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from management.kubernetes.manifests import Manifest, is_managed
from store.access_records import PolicyRule

SubjectKind = Literal["User", "Group", "ServiceAccount"]
RoleKey = tuple[str, str]
"""The namespace (empty: a ClusterRole) and the name of a role."""

ACCOUNT_PREFIX = "system:serviceaccount:"
MASTERS = "system:masters"
"""The API server allows everything to this group, without RBAC."""


@dataclass(frozen=True, slots=True, order=True)
class RbacSubject:
    """A subject of a binding. Only service accounts have a namespace."""

    kind: SubjectKind
    name: str
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class RbacRole:
    """A ClusterRole (no namespace) or a Role."""

    name: str
    namespace: str
    rules: tuple[PolicyRule, ...]
    aggregated: bool = False


@dataclass(frozen=True, slots=True)
class RbacBinding:
    """A ClusterRoleBinding (no namespace) or a RoleBinding. ``managed``: Sekisho wrote it."""

    name: str
    namespace: str
    role: RoleKey
    subjects: tuple[RbacSubject, ...]
    managed: bool = False


@dataclass(frozen=True, slots=True)
class ClusterRbac:
    """All roles and bindings of a cluster.

    ``gaps`` are sentences about what is missing. ``read_at`` is when the objects were read; None:
    they are those that Sekisho wants, because the cluster's could not be read.
    """

    roles: Mapping[RoleKey, RbacRole] = field(default_factory=dict)
    bindings: Sequence[RbacBinding] = ()
    gaps: tuple[str, ...] = ()
    read_at: datetime | None = None

    @property
    def size(self) -> int:
        """Return the number of rules and subjects, to which evaluation is proportional."""
        rules = sum(len(one.rules) for one in self.roles.values())
        return rules + sum(len(one.subjects) for one in self.bindings)


def role_from(manifest: Manifest) -> RbacRole:
    """Return the Role or ClusterRole in a well-formed manifest."""
    metadata = manifest["metadata"]
    rules = manifest.get("rules")
    return RbacRole(
        name=metadata["name"],
        namespace=metadata.get("namespace") or "",
        rules=tuple(_rules(rules if isinstance(rules, list) else [])),
        aggregated=isinstance(manifest.get("aggregationRule"), dict),
    )


def binding_from(manifest: Manifest) -> RbacBinding:
    """Return the RoleBinding or ClusterRoleBinding in a well-formed manifest."""
    metadata, reference = manifest["metadata"], manifest.get("roleRef") or {}
    namespace, subjects = metadata.get("namespace") or "", manifest.get("subjects")
    in_namespace = namespace if reference.get("kind") == "Role" else ""
    name = reference.get("name")
    return RbacBinding(
        name=metadata["name"],
        namespace=namespace,
        role=(in_namespace, name if isinstance(name, str) else ""),
        subjects=tuple(_subjects(subjects if isinstance(subjects, list) else [], namespace)),
        managed=is_managed(manifest),
    )


def subject_of_user(name: str) -> RbacSubject:
    """Return the subject with that user name, which may be a service account's."""
    namespace, separator, account = name.removeprefix(ACCOUNT_PREFIX).partition(":")
    if name.startswith(ACCOUNT_PREFIX) and separator and namespace and account:
        return RbacSubject("ServiceAccount", account, namespace)
    return RbacSubject("User", name)


def _rules(items: Iterable[object]) -> Iterator[PolicyRule]:
    for one in items:
        if isinstance(one, dict):
            yield PolicyRule(
                verbs=_texts(one.get("verbs")),
                api_groups=_texts(one.get("apiGroups")),
                resources=_texts(one.get("resources")),
                resource_names=_texts(one.get("resourceNames")),
                non_resource_urls=_texts(one.get("nonResourceURLs")),
            )


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _subjects(items: Iterable[object], namespace: str) -> Iterator[RbacSubject]:
    for one in items:
        name = one.get("name") if isinstance(one, dict) else None
        if not isinstance(one, dict) or not isinstance(name, str) or not name:
            continue
        kind = one.get("kind")
        if kind == "User":
            yield subject_of_user(name)
        elif kind == "Group":
            yield RbacSubject("Group", name)
        elif kind == "ServiceAccount":
            # Without a namespace, it is the binding's (RBAC reference, "Referring to subjects").
            home = one.get("namespace") or namespace
            if isinstance(home, str) and home:
                yield RbacSubject("ServiceAccount", name, home)
