"""What somebody holds, and where: from bindings and roles, on a cache miss."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from management.authorization.book import Content, RoleBook
from management.authorization.built_in import EVERYTHING
from management.authorization.permissions import ALL_CLUSTERS, ALL_PROJECTS, IMPLIED
from store.access_records import Binding
from store.interfaces import ADMINISTRATOR

_NOTHING = Content()
_OWNED_CLUSTER = Content(IMPLIED[ALL_CLUSTERS], EVERYTHING, frozenset({"cluster-admin"}))
_OWNED_PROJECT = Content(IMPLIED[ALL_PROJECTS])


@dataclass(frozen=True, slots=True)
class Access:
    """What somebody holds. ``roles`` are ids of roles by where they are held (empty: overall).

    ``clusters`` are those that may be entered by a role there, or in one of their projects: made
    once, for every request asks.
    """

    overall: frozenset[str] = frozenset()
    administrator: bool = False
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    in_clusters: Mapping[str, Content] = field(default_factory=dict)
    in_projects: Mapping[str, Content] = field(default_factory=dict)
    project_clusters: Mapping[str, str] = field(default_factory=dict)
    clusters: frozenset[str] = frozenset()

    @property
    def owns_clusters(self) -> bool:
        """Whether every cluster is open, as to its owner."""
        return ALL_CLUSTERS in self.overall

    def enters(self, cluster_id: str) -> bool:
        """Whether the cluster is open."""
        return self.owns_clusters or cluster_id in self.clusters

    def standing(self, cluster_id: str) -> object:
        """What is held in a cluster and its projects, to be compared with what was before."""
        projects = {
            one: self.in_projects[one]
            for one, cluster in self.project_clusters.items()
            if cluster == cluster_id
        }
        return self.owns_clusters, self.in_clusters.get(cluster_id), projects

    def in_cluster(self, cluster_id: str) -> Content:
        """What is held in a cluster."""
        held = self.in_clusters.get(cluster_id, _NOTHING)
        return _OWNED_CLUSTER | held if self.owns_clusters else held

    def in_project(self, project_id: str, cluster_id: str) -> Content:
        """What is held in a project, also by what is held in its cluster."""
        held = self.in_projects.get(project_id, _NOTHING)
        wide = self.in_cluster(cluster_id)
        # What is allowed in a whole cluster is allowed in its projects; its permissions are others.
        held |= Content(frozenset(), wide.rules, wide.cluster_roles)
        return held | _OWNED_PROJECT if ALL_PROJECTS in wide.permissions else held


def access_of(bindings: Iterable[Binding], book: RoleBook) -> Access:
    """What bindings come to. Those to roles that aren't there count for nothing."""
    roles: dict[str, list[str]] = defaultdict(list)
    clusters: dict[str, Content] = {}
    projects: dict[str, Content] = {}
    project_clusters: dict[str, str] = {}
    overall: frozenset[str] = frozenset()
    for one in bindings:
        role = book.get(one.role_id)
        if role is None:
            continue
        roles[one.target].append(role.id)
        content = book.content(role.id)
        if one.project_id is not None and one.cluster_id is not None:
            projects[one.project_id] = projects.get(one.project_id, _NOTHING) | content
            project_clusters[one.project_id] = one.cluster_id
        elif one.cluster_id is not None:
            clusters[one.cluster_id] = clusters.get(one.cluster_id, _NOTHING) | content
        else:
            overall |= content.permissions
    return Access(
        overall=overall,
        administrator=ADMINISTRATOR in roles.get("", ()),
        roles=MappingProxyType({target: tuple(held) for target, held in roles.items()}),
        in_clusters=MappingProxyType(clusters),
        in_projects=MappingProxyType(projects),
        project_clusters=MappingProxyType(project_clusters),
        clusters=frozenset(clusters) | frozenset(project_clusters.values()),
    )
