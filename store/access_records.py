"""Roles, bindings and projects: records, and what may be asked of the store about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

Scope = Literal["global", "cluster", "project"]
"""What a role is held in: Sekisho itself, a cluster, or a project."""


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
    """What whoever is bound to it may do.

    ``permissions`` are Sekisho's own (:mod:`management.authorization.permissions`); ``rules`` and
    ``cluster_roles`` (of the cluster's own, by name) are bound downstream. ``inherits`` are ids of
    roles of the same scope. ``revision`` moves with every change.
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


@dataclass(frozen=True, slots=True)
class Binding:
    """A user (``user_id``) or a group principal (``group_id``) holds a role.

    In a project (both ids), in a cluster (``cluster_id`` alone) or in Sekisho itself (neither).
    ``name`` is what people call the subject.
    """

    id: str
    role_id: str
    user_id: str | None
    group_id: str | None
    name: str
    created_at: datetime
    cluster_id: str | None = None
    project_id: str | None = None

    @property
    def subject(self) -> str:
        """The id of who holds the role."""
        return self.user_id or self.group_id or ""

    @property
    def target(self) -> str:
        """The id of what it is held in; empty: Sekisho itself."""
        return self.project_id or self.cluster_id or ""


@dataclass(frozen=True, slots=True)
class Project:
    """Namespaces of one cluster with one access policy.

    ``quota`` (a ResourceQuota's ``hard``) is for the project as a whole and split over its
    namespaces; ``namespace_quota`` is what a namespace gets that asks for nothing else.
    ``container_limits`` has ``default`` and ``default_request`` for containers that say nothing.
    ``isolated``: pods of other projects can't reach its pods.
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


@dataclass(frozen=True, slots=True)
class ProjectNamespace:
    """Where a namespace belongs. ``uid`` is that of the namespace: one of the same name that was
    made later is another. ``agreed`` is the label's value when both sides last agreed.
    """

    cluster_id: str
    namespace: str
    uid: str
    project_id: str | None
    agreed: str | None = None
    quota: Mapping[str, str] = field(default_factory=dict)


class Roles(Protocol):
    """Roles that people made."""

    async def list_all(self) -> Sequence[Role]:
        """Every one, by scope and name."""

    async def create(self, role: Role) -> None:
        """Store a new one. Raises Conflict where the id or the name in its scope is taken."""

    async def replace(self, role: Role, *, revision: int) -> Role:
        """Store ``role`` in place of what ``revision`` was; with its new revision.

        Raises NotFound, and StaleRevision where it was changed meanwhile.
        """

    async def delete(self, role_id: str) -> None:
        """Raises NotFound, and InUse where somebody holds it or another role inherits it."""


class Bindings(Protocol):
    """Who holds which role in what."""

    async def get(self, binding_id: str) -> Binding | None:
        """The binding with that id."""

    async def of_subjects(self, user_id: str, groups: Sequence[str]) -> Sequence[Binding]:
        """What a user holds, also as a member of ``groups`` (group principals)."""

    async def overall(self) -> Sequence[Binding]:
        """Those in Sekisho itself."""

    async def in_cluster(self, cluster_id: str) -> Sequence[Binding]:
        """Those in a cluster and in its projects."""

    async def everywhere(self) -> Sequence[Binding]:
        """Every binding."""

    async def create(self, binding: Binding, *, instead: bool = False) -> Binding:
        """Store it, or return the one there is that says the same.

        ``instead``: it takes the place of every other role that the subject has in the target.
        Raises NotFound where the user, cluster or project isn't there.
        """

    async def delete(self, binding_id: str) -> bool:
        """Take it away; False where there is none. Raises LastAdministrator."""

    async def delete_of(self, target: str, subject: str) -> int:
        """Take away all that a subject holds in a target; how many. Raises LastAdministrator."""

    async def is_known_group(self, group_id: str) -> bool:
        """Whether somebody is in that group, or some binding names it."""


class Projects(Protocol):
    """Projects and their namespaces."""

    async def get(self, project_id: str) -> Project | None:
        """The project with that id."""

    async def list_all(self, cluster_id: str | None = None) -> Sequence[Project]:
        """Every one, or those of a cluster, by name."""

    async def create(self, project: Project, owner: Binding | None = None) -> None:
        """Store a new one, and who holds it, in one transaction. Raises Conflict and NotFound."""

    async def replace(self, project: Project, *, revision: int) -> Project:
        """As :meth:`Roles.replace`."""

    async def delete(self, project_id: str) -> None:
        """Raises NotFound, and InUse where it has namespaces."""

    async def namespaces(
        self, *, cluster_id: str | None = None, project_ids: Sequence[str] | None = None
    ) -> Sequence[ProjectNamespace]:
        """Namespaces that are, or were, in a project, by name."""

    async def put_namespace(self, namespace: ProjectNamespace) -> None:
        """Say where a namespace belongs. Raises NotFound where there is no such project."""

    async def drop_namespace(self, cluster_id: str, namespace: str, uid: str | None = None) -> None:
        """Forget one (with ``uid``: only that very one)."""
