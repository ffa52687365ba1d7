"""Records of roles, bindings and projects.

``labels`` are the operator's, to select objects by (:mod:`config.labels`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Scope = Literal["global", "cluster", "project"]
"""The scope of a role: Sekisho itself, a cluster, or a project."""


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """A rule of Kubernetes RBAC (rbac.authorization.k8s.io/v1, ``PolicyRule``)."""

    verbs: tuple[str, ...]
    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Role:
    """A set of permissions.

    ``permissions`` are Sekisho's own (:mod:`management.authorization.permissions`). ``rules`` and
    ``cluster_roles`` (names of the cluster's own) are bound in clusters. ``inherits`` are ids of
    roles with the same scope. Every change increases ``revision``.
    """

    id: str
    scope: Scope
    name: str
    description: str = ""
    permissions: tuple[str, ...] = ()
    rules: tuple[PolicyRule, ...] = ()
    cluster_roles: tuple[str, ...] = ()
    inherits: tuple[str, ...] = ()
    built_in: bool = False
    created_at: datetime | None = None
    revision: int = 1
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Binding:
    """A role of a user (``user_id``) or of a group principal (``group_id``).

    The target is a project (both ids), a cluster (``cluster_id`` only) or Sekisho itself (neither).
    ``name`` is the subject's display name.
    """

    id: str
    role_id: str
    user_id: str | None
    group_id: str | None
    name: str
    created_at: datetime
    cluster_id: str | None = None
    project_id: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def subject(self) -> str:
        """The id of the user or group."""
        return self.user_id or self.group_id or ""

    @property
    def target(self) -> str:
        """The id of the project or cluster; empty: Sekisho itself."""
        return self.project_id or self.cluster_id or ""


@dataclass(frozen=True, slots=True)
class Project:
    """Namespaces of one cluster with one access policy.

    ``quota`` (a ResourceQuota's ``hard``) applies to the whole project and is split over its
    namespaces; ``namespace_quota`` is the default for a namespace. ``container_limits`` has
    ``default`` and ``default_request`` for containers without limits. ``isolated``: pods of other
    projects cannot reach its pods.
    """

    id: str
    cluster_id: str
    name: str
    created_at: datetime
    description: str = ""
    quota: Mapping[str, str] = field(default_factory=dict)
    namespace_quota: Mapping[str, str] = field(default_factory=dict)
    container_limits: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    isolated: bool = False
    revision: int = 1
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class ProjectNamespace:
    """The project of a namespace. ``uid`` is the namespace's, which differs if it is recreated.

    ``agreed`` is the label's value when cluster and store last agreed. ``joined_at`` is when the
    namespace joined the project; the store sets it.
    """

    cluster_id: str
    namespace: str
    uid: str
    project_id: str | None
    agreed: str | None = None
    quota: Mapping[str, str] = field(default_factory=dict)
    joined_at: datetime | None = field(default=None, compare=False)
