"""What a user holds, and where: built from bindings and roles on a cache miss."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from management.authorization.builtin_roles import EVERYTHING
from management.authorization.permissions import (
    ALL_CLUSTERS,
    ALL_PROJECTS,
    IMPLIED,
    PERMISSIONS,
    READ_CLUSTERS,
)
from management.authorization.role_catalog import RoleCatalog, RoleGrants
from store.access_records import Binding
from store.records import ADMINISTRATOR

_NOTHING = RoleGrants()
_OWNED_CLUSTER = RoleGrants(IMPLIED[ALL_CLUSTERS], EVERYTHING, frozenset({"cluster-admin"}))
_OWNED_PROJECT = RoleGrants(IMPLIED[ALL_PROJECTS])
_READ_CLUSTER = RoleGrants(IMPLIED[READ_CLUSTERS] & PERMISSIONS["cluster"])
_READ_PROJECT = RoleGrants(IMPLIED[READ_CLUSTERS] & PERMISSIONS["project"])


@dataclass(frozen=True, slots=True)
class Access:
    """What a user holds. ``roles`` are ids of roles by the place where they are held (empty:
    global).

    ``clusters`` are the clusters that the user may enter by a role there or in one of their
    projects. The set is built once, because every request reads it.
    """

    global_permissions: frozenset[str] = frozenset()
    administrator: bool = False
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    in_clusters: Mapping[str, RoleGrants] = field(default_factory=dict)
    in_projects: Mapping[str, RoleGrants] = field(default_factory=dict)
    project_clusters: Mapping[str, str] = field(default_factory=dict)
    clusters: frozenset[str] = frozenset()

    @property
    def owns_clusters(self) -> bool:
        """Return whether the user owns every cluster."""
        return ALL_CLUSTERS in self.global_permissions

    def can_enter(self, cluster_id: str) -> bool:
        """Return whether the user may enter the cluster."""
        return self.owns_clusters or cluster_id in self.clusters

    def sees_cluster(self, cluster_id: str) -> bool:
        """Return whether the user may read the cluster's record. To enter it is another right."""
        return READ_CLUSTERS in self.global_permissions or self.can_enter(cluster_id)

    def fingerprint(self, cluster_id: str) -> object:
        """Return what is held in a cluster and its projects, for comparison over time."""
        projects = {
            one: self.in_projects[one]
            for one, cluster in self.project_clusters.items()
            if cluster == cluster_id
        }
        return self.owns_clusters, self.in_clusters.get(cluster_id), projects

    def in_cluster(self, cluster_id: str) -> RoleGrants:
        """Return what is held in a cluster."""
        held = self.in_clusters.get(cluster_id, _NOTHING)
        if self.owns_clusters:
            return _OWNED_CLUSTER | held
        return _READ_CLUSTER | held if READ_CLUSTERS in self.global_permissions else held

    def in_project(self, project_id: str, cluster_id: str) -> RoleGrants:
        """Return what is held in a project, including what is held in its cluster."""
        held = self.in_projects.get(project_id, _NOTHING)
        wide = self.in_cluster(cluster_id)
        # What is allowed in a cluster is allowed in its projects. The cluster's permissions are
        # different permissions and do not apply to projects.
        held |= RoleGrants(frozenset(), wide.rules, wide.cluster_roles)
        if ALL_PROJECTS in wide.permissions:
            return held | _OWNED_PROJECT
        return held | _READ_PROJECT if READ_CLUSTERS in self.global_permissions else held


def access_of(bindings: Iterable[Binding], catalog: RoleCatalog) -> Access:
    """Return the access that bindings grant. Bindings to missing roles grant nothing."""
    roles: dict[str, list[str]] = defaultdict(list)
    clusters: dict[str, RoleGrants] = {}
    projects: dict[str, RoleGrants] = {}
    project_clusters: dict[str, str] = {}
    overall: frozenset[str] = frozenset()
    for one in bindings:
        role = catalog.get(one.role_id)
        if role is None:
            continue
        roles[one.target].append(role.id)
        content = catalog.content(role.id)
        if one.project_id is not None and one.cluster_id is not None:
            projects[one.project_id] = projects.get(one.project_id, _NOTHING) | content
            project_clusters[one.project_id] = one.cluster_id
        elif one.cluster_id is not None:
            clusters[one.cluster_id] = clusters.get(one.cluster_id, _NOTHING) | content
        else:
            overall |= content.permissions
    return Access(
        global_permissions=overall,
        administrator=ADMINISTRATOR in roles.get("", ()),
        roles=MappingProxyType({target: tuple(held) for target, held in roles.items()}),
        in_clusters=MappingProxyType(clusters),
        in_projects=MappingProxyType(projects),
        project_clusters=MappingProxyType(project_clusters),
        clusters=frozenset(clusters) | frozenset(project_clusters.values()),
    )
