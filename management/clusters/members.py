"""Members of clusters and projects: role bindings in the store and in the cluster.

A change is stored first. Then the cluster is reconciled. If the cluster does not respond, the
controllers reconcile it as soon as it does. The proxy authorizes callers by the store.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from config.loggers import get_logger
from management.authorization.builtin_roles import BUILT_IN
from management.authorization.role_catalog import RoleCatalog
from management.clusters.lookup import find_cluster
from management.desired_state.snapshot import subject_names
from management.desired_state.sync import reconcile_now
from management.errors import InvalidRequest
from management.identity.subjects import RoleSubject, find_user
from management.identity.users import random_id
from management.kubernetes.errors import ClusterApiError
from store.access_interfaces import Taking
from store.access_records import Binding, Project, Role
from store.interfaces import Store
from store.records import Cluster

_LOG = get_logger(__name__)


class RoleNotFound(InvalidRequest):
    """No role has that name. The message lists the roles."""


@dataclass(frozen=True, slots=True)
class GrantResult:
    """A role that was granted. ``pending``: why the cluster is not in sync yet, or None."""

    cluster: Cluster
    holder: RoleSubject
    role: Role
    binding: Binding
    pending: str | None

    @property
    def bound(self) -> bool:
        """Return whether the binding is effective in the cluster."""
        return self.pending is None


@dataclass(frozen=True, slots=True)
class Revoked:
    """Roles that were revoked. ``existed`` is False if there was none."""

    cluster: Cluster
    holder: RoleSubject
    existed: bool
    pending: str | None


class MemberService:
    """Grants and revokes roles in clusters and projects. Raises ManagementError and StoreError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def members(self, cluster: Cluster, project: Project | None = None) -> list[Binding]:
        """Return the bindings of a cluster, or of a project, sorted by name."""
        project_id = project.id if project is not None else None
        held = await self._store.bindings.in_cluster(cluster.id)
        return sorted(
            (one for one in held if one.project_id == project_id),
            key=lambda one: (one.name, one.subject, one.role_id),
        )

    async def add(
        self,
        cluster: Cluster,
        holder: RoleSubject,
        role: Role,
        project: Project | None = None,
        *,
        instead: bool = True,
        labels: Mapping[str, str] | None = None,
        check: Taking | None = None,
    ) -> GrantResult:
        """Grant ``role`` to a subject. ``instead``: replace the roles that it has there.

        ``labels`` are the binding's, also if it exists; None keeps those that it has.
        """
        user = holder.user
        if role.scope != ("project" if project is not None else "cluster"):
            raise InvalidRequest(f'"{role.name}" is a {role.scope} role')
        if user is not None and not user.enabled:
            raise InvalidRequest(f'user "{user.username}" is disabled; enable them first')
        if user is not None and not subject_names(cluster, user):
            raise InvalidRequest(f'user "{user.username}" has no principal to be bound by')
        binding = await self._store.bindings.create(
            Binding(
                id=random_id("b"),
                role_id=role.id,
                user_id=user.id if user is not None else None,
                group_id=None if user is not None else holder.id,
                name=holder.name,
                created_at=datetime.now(UTC),
                cluster_id=cluster.id,
                project_id=project.id if project is not None else None,
                labels=labels or {},
            ),
            instead=instead,
            relabel=labels is not None,
            check=check,
        )
        pending = await self.reconcile(cluster, project)
        return GrantResult(cluster, holder, role, binding, pending)

    async def remove(
        self,
        cluster: Cluster,
        holder: RoleSubject,
        project: Project | None = None,
        *,
        role_id: str | None = None,
        check: Taking | None = None,
    ) -> Revoked:
        """Revoke all roles that the holder has there, or one. Raises what ``check`` raises."""
        target = project.id if project is not None else cluster.id
        gone = await self._store.bindings.delete_of(target, holder.id, role_id=role_id, check=check)
        return Revoked(cluster, holder, gone > 0, await self.reconcile(cluster, project))

    async def grant(self, cluster_name: str, user_name: str, role_name: str) -> GrantResult:
        """Grant a role in a cluster, by names, for the command line."""
        role = RoleCatalog(await self._store.roles.list_all()).named("cluster", role_name)
        if role is None:
            known = ", ".join(one.name for one in BUILT_IN.values() if one.scope == "cluster")
            raise RoleNotFound(f"{role_name!r} is no role in clusters: {known}, or one of your own")
        cluster = await find_cluster(self._store, cluster_name)
        user = await find_user(self._store, user_name)
        return await self.add(cluster, RoleSubject(user.id, user.username, user), role)

    async def revoke(self, cluster_name: str, user_name: str) -> Revoked:
        """Revoke a user's roles in a cluster, by names, for the command line."""
        cluster = await find_cluster(self._store, cluster_name)
        user = await find_user(self._store, user_name)
        return await self.remove(cluster, RoleSubject(user.id, user.username, user))

    async def reconcile_all(self, cluster: Cluster) -> str | None:
        """Reconcile the whole cluster now. Return why it is not in sync yet, or None."""
        try:
            result = await reconcile_now(self._store, cluster, None)
        except ClusterApiError as exc:
            _LOG.warning("cluster not in sync yet", cluster=cluster.name, error=str(exc))
            return str(exc)
        return "; ".join(result.failed) or None

    async def reconcile(self, cluster: Cluster, *projects: Project | None) -> str | None:
        """Reconcile the cluster and projects now. Return why they are not in sync yet, or None."""
        if cluster.controller_token is None:
            return "Sekisho has no controller token for the cluster: bind them by hand"
        concerned: Sequence[str] = [one.id for one in projects if one is not None]
        try:
            result = await reconcile_now(self._store, cluster, concerned)
        except ClusterApiError as exc:
            _LOG.warning("cluster not in sync yet", cluster=cluster.name, error=str(exc))
            return str(exc)
        return "; ".join(result.failed) or None
