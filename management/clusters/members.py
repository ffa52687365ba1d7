"""Who holds a role in a cluster or a project, here and downstream.

What is said here is stored first. Then the cluster is made to agree, at once if it answers; if it
doesn't, the controllers do it as soon as it does. The gate lets nobody in who isn't stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from management.authorization.book import RoleBook
from management.authorization.built_in import BUILT_IN
from management.cluster_errors import BadRequest
from management.cluster_records import find_cluster
from management.downstream.errors import DownstreamError
from management.settling import settle
from management.subjects import Holder, find_user
from management.users import random_id
from management.wanted.snapshot import subject_names
from store.access_records import Binding, Project, Role
from store.interfaces import Cluster, Store

_LOG = structlog.get_logger("sekisho.members")


class NoSuchRole(BadRequest):
    """There is no role of that name; the message names those there are."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A role that is held now. ``pending``: why it isn't so downstream yet; None: it is."""

    cluster: Cluster
    holder: Holder
    role: Role
    binding: Binding
    pending: str | None

    @property
    def bound(self) -> bool:
        """Whether the cluster knows."""
        return self.pending is None


@dataclass(frozen=True, slots=True)
class Revoked:
    """Roles that are held no more. ``existed`` is False where there was nothing to take away."""

    cluster: Cluster
    holder: Holder
    existed: bool
    pending: str | None


class MemberService:
    """Members of clusters and projects. Raises ClusterError and StoreError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def members(self, cluster: Cluster, project: Project | None = None) -> list[Binding]:
        """Who holds what in a cluster, or in a project; by name."""
        project_id = project.id if project is not None else None
        held = await self._store.bindings.in_cluster(cluster.id)
        return sorted(
            (one for one in held if one.project_id == project_id),
            key=lambda one: (one.name, one.subject, one.role_id),
        )

    async def add(
        self,
        cluster: Cluster,
        holder: Holder,
        role: Role,
        project: Project | None = None,
        *,
        instead: bool = True,
    ) -> Granted:
        """Let somebody hold ``role``; ``instead``: of whatever they held there."""
        user = holder.user
        if role.scope != ("project" if project is not None else "cluster"):
            raise BadRequest(f'"{role.name}" is a {role.scope} role')
        if user is not None and not user.enabled:
            raise BadRequest(f'user "{user.username}" is disabled; enable them first')
        if user is not None and not subject_names(cluster, user):
            raise BadRequest(f'user "{user.username}" has no principal to be bound by')
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
            ),
            instead=instead,
        )
        pending = await self.settle(cluster, project)
        return Granted(cluster, holder, role, binding, pending)

    async def remove(
        self, cluster: Cluster, holder: Holder, project: Project | None = None
    ) -> Revoked:
        """Take every role away that somebody holds there."""
        target = project.id if project is not None else cluster.id
        gone = await self._store.bindings.delete_of(target, holder.id)
        return Revoked(cluster, holder, gone > 0, await self.settle(cluster, project))

    async def grant(self, cluster_name: str, user_name: str, role_name: str) -> Granted:
        """Let a user in by names, as the command line does."""
        role = RoleBook(await self._store.roles.list_all()).named("cluster", role_name)
        if role is None:
            known = ", ".join(one.name for one in BUILT_IN.values() if one.scope == "cluster")
            raise NoSuchRole(f"{role_name!r} is no role in clusters: {known}, or one of your own")
        cluster = await find_cluster(self._store, cluster_name)
        user = await find_user(self._store, user_name)
        return await self.add(cluster, Holder(user.id, user.username, user), role)

    async def revoke(self, cluster_name: str, user_name: str) -> Revoked:
        """Shut a user out by names."""
        cluster = await find_cluster(self._store, cluster_name)
        user = await find_user(self._store, user_name)
        return await self.remove(cluster, Holder(user.id, user.username, user))

    async def settle_all(self, cluster: Cluster) -> str | None:
        """Make the cluster agree in everything, now; why it doesn't yet, or None."""
        try:
            outcome = await settle(self._store, cluster, None)
        except DownstreamError as exc:
            _LOG.warning("cluster not settled yet", cluster=cluster.name, error=str(exc))
            return str(exc)
        return "; ".join(outcome.failed) or None

    async def settle(self, cluster: Cluster, *projects: Project | None) -> str | None:
        """Make the cluster agree now; why it doesn't yet, or None."""
        if cluster.controller_token is None:
            return "Sekisho has no controller token for the cluster: bind them by hand"
        concerned: Sequence[str] = [one.id for one in projects if one is not None]
        try:
            outcome = await settle(self._store, cluster, concerned)
        except DownstreamError as exc:
            _LOG.warning("cluster not settled yet", cluster=cluster.name, error=str(exc))
            return str(exc)
        return "; ".join(outcome.failed) or None
