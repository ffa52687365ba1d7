"""Protocols of the repositories of roles, bindings and projects."""

from collections.abc import Callable, Sequence
from typing import Protocol

from store.access_records import Binding, Project, ProjectNamespace, Role


class Roles(Protocol):
    """Custom roles."""

    async def list_all(self) -> Sequence[Role]:
        """Return every custom role, ordered by scope and name."""

    async def create(self, role: Role) -> None:
        """Store a new role. Raises Conflict if the id, or the name in its scope, is taken."""

    async def replace(self, role: Role, *, revision: int) -> Role:
        """Replace the role with ``revision``. Return it with its new revision.

        Raises RecordNotFound, and StaleRevision if the role was changed since.
        """

    async def delete(self, role_id: str, *, revision: int | None = None) -> None:
        """Delete a role; with ``revision``, only if that is its current one.

        Raises RecordNotFound, StaleRevision, and InUse if a binding or another role uses it.
        """


Taking = Callable[[Sequence[Binding]], None]
"""A function that raises if one of the bindings, read in the same transaction, must stay."""


class Bindings(Protocol):
    """Role bindings of users and groups."""

    async def get(self, binding_id: str) -> Binding | None:
        """Return the binding with that id."""

    async def of_subjects(self, user_id: str, groups: Sequence[str]) -> Sequence[Binding]:
        """Return the bindings of a user and of ``groups`` (group principals)."""

    async def overall(self) -> Sequence[Binding]:
        """Return the global bindings."""

    async def in_cluster(self, cluster_id: str) -> Sequence[Binding]:
        """Return the bindings in a cluster and in its projects."""

    async def everywhere(self) -> Sequence[Binding]:
        """Return every binding."""

    async def create(
        self,
        binding: Binding,
        *,
        instead: bool = False,
        relabel: bool = False,
        check: Taking | None = None,
    ) -> Binding:
        """Store a binding, or return the existing equal one.

        ``instead``: it replaces every other role of the subject in the target. ``relabel``: the
        existing one gets the labels of ``binding``. Raises RecordNotFound if the user, cluster or
        project does not exist.
        """

    async def delete(self, binding_id: str) -> bool:
        """Delete a binding. Return False if it does not exist. Raises LastAdministrator."""

    async def delete_of(
        self,
        target: str,
        subject: str,
        *,
        role_id: str | None = None,
        check: Taking | None = None,
    ) -> int:
        """Delete a subject's bindings in a target (of one role). Return the number.

        Raises LastAdministrator.
        """

    async def is_known_group(self, group_id: str) -> bool:
        """Return whether a user is in that group, or a binding names it."""


class Projects(Protocol):
    """Projects and their namespaces."""

    async def get(self, project_id: str) -> Project | None:
        """Return the project with that id."""

    async def list_all(self, cluster_id: str | None = None) -> Sequence[Project]:
        """Return every project, or those of a cluster, ordered by name."""

    async def create(self, project: Project, owner: Binding | None = None) -> None:
        """Store a project and its owner in one transaction. Raises Conflict and RecordNotFound."""

    async def replace(self, project: Project, *, revision: int) -> Project:
        """Replace a project, as :meth:`Roles.replace` replaces a role."""

    async def delete(self, project_id: str) -> None:
        """Delete a project. Raises RecordNotFound, and InUse if it has namespaces."""

    async def namespaces(
        self, *, cluster_id: str | None = None, project_ids: Sequence[str] | None = None
    ) -> Sequence[ProjectNamespace]:
        """Return namespaces that are, or were, in a project, ordered by name."""

    async def put_namespace(self, namespace: ProjectNamespace, *, keep_quota: bool = False) -> None:
        """Assign a namespace to a project.

        ``keep_quota``: a namespace that is in the project already keeps its quota, also one that
        is stored at the same time.

        Raises:
            RecordNotFound: the project does not exist.
        """

    async def drop_namespace(
        self, cluster_id: str, namespace: str, uid: str | None = None, *, gone: bool = False
    ) -> None:
        """Delete a namespace; with ``uid``, only the namespace with that uid.

        ``gone``: the cluster no longer has it. It is kept as a former namespace for some time.
        """

    async def former_namespaces(self, cluster_id: str) -> Sequence[ProjectNamespace]:
        """Return namespaces that were in a project when they were deleted, with an empty uid."""
